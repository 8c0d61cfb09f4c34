package proto

import "quokka/internal/jute"

// An ID names who: a scheme and an id within it (data.Id).
type ID struct {
	Scheme string
	ID     string
}

// An ACL is one entry of an access control list (data.ACL).
type ACL struct {
	Perms int32 // bit set of Perm…
	ID    ID
}

// AppendID appends an Id record.
func AppendID(b []byte, v ID) []byte {
	b = jute.AppendString(b, v.Scheme)
	return jute.AppendString(b, v.ID)
}

// AppendACLs appends a vector of ACL records. nil is written as null (-1).
func AppendACLs(b []byte, v []ACL) []byte {
	if v == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(v)))
	for _, a := range v {
		b = jute.AppendInt(b, a.Perms)
		b = AppendID(b, a.ID)
	}
	return b
}

// DecodeACLs reads a vector of ACL records; null is nil, empty is not.
func DecodeACLs(d *jute.Decoder) []ACL {
	n := d.VectorLen(12)
	if n < 0 {
		return nil
	}
	v := make([]ACL, 0, n)
	for range n {
		a := ACL{Perms: d.Int()}
		a.ID.Scheme = d.String()
		a.ID.ID = d.String()
		v = append(v, a)
	}
	if d.Err() != nil {
		return nil
	}
	return v
}

// A Stat is a znode's metadata as clients see it (data.Stat, 68 bytes).
type Stat struct {
	Czxid, Mzxid   Zxid
	Ctime, Mtime   Millis
	Version        int32
	Cversion       int32 // 2 * creates - children, see StatPersisted.Cversion
	Aversion       int32
	EphemeralOwner SessionID // 0 for containers and TTL nodes
	DataLength     int32
	NumChildren    int32
	Pzxid          Zxid
}

// AppendStat appends the record.
func AppendStat(b []byte, s *Stat) []byte {
	b = jute.AppendLong(b, int64(s.Czxid))
	b = jute.AppendLong(b, int64(s.Mzxid))
	b = jute.AppendLong(b, int64(s.Ctime))
	b = jute.AppendLong(b, int64(s.Mtime))
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, int64(s.EphemeralOwner))
	b = jute.AppendInt(b, s.DataLength)
	b = jute.AppendInt(b, s.NumChildren)
	return jute.AppendLong(b, int64(s.Pzxid))
}

// DecodeStat reads the record.
func DecodeStat(d *jute.Decoder) Stat {
	return Stat{
		Czxid: Zxid(d.Long()), Mzxid: Zxid(d.Long()), Ctime: Millis(d.Long()), Mtime: Millis(d.Long()),
		Version: d.Int(), Cversion: d.Int(), Aversion: d.Int(), EphemeralOwner: SessionID(d.Long()),
		DataLength: d.Int(), NumChildren: d.Int(), Pzxid: Zxid(d.Long()),
	}
}

// StatPersisted is a znode's metadata as it is stored (data.StatPersisted,
// 60 bytes).
type StatPersisted struct {
	Czxid, Mzxid Zxid
	Ctime, Mtime Millis
	Version      int32
	Cversion     int32 // number of children ever created
	Aversion     int32
	Owner        int64 // session, container mark or TTL; see package tree
	Pzxid        Zxid
}

// AppendStatPersisted appends the record.
func AppendStatPersisted(b []byte, s *StatPersisted) []byte {
	b = jute.AppendLong(b, int64(s.Czxid))
	b = jute.AppendLong(b, int64(s.Mzxid))
	b = jute.AppendLong(b, int64(s.Ctime))
	b = jute.AppendLong(b, int64(s.Mtime))
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, s.Owner)
	return jute.AppendLong(b, int64(s.Pzxid))
}

// DecodeStatPersisted reads the record.
func DecodeStatPersisted(d *jute.Decoder) StatPersisted {
	return StatPersisted{
		Czxid: Zxid(d.Long()), Mzxid: Zxid(d.Long()), Ctime: Millis(d.Long()), Mtime: Millis(d.Long()),
		Version: d.Int(), Cversion: d.Int(), Aversion: d.Int(), Owner: d.Long(), Pzxid: Zxid(d.Long()),
	}
}
