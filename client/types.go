package client

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A Zxid numbers a change of the tree. Later changes have larger ones.
type Zxid int64

// String returns the number in hexadecimal, as servers log it.
func (z Zxid) String() string { return fmt.Sprintf("0x%x", uint64(z)) }

// A SessionID names a session.
type SessionID int64

// String returns the id in hexadecimal, as servers log it.
func (id SessionID) String() string { return fmt.Sprintf("0x%x", uint64(id)) }

// A Session is what it takes to go on with a session in another Client or
// another process, see [Options].Resume. The Password is a secret.
type Session struct {
	ID       SessionID // never 0
	Password []byte    // 16 bytes
	LastZxid Zxid      // the newest state the session has seen
}

// String leaves out the password.
func (s Session) String() string { return "session " + s.ID.String() }

// A Stat is a node's metadata.
type Stat struct {
	Czxid          Zxid      // of the change that created the node
	Mzxid          Zxid      // of the last change of its data
	Pzxid          Zxid      // of the last change of its children
	Ctime          time.Time // when it was created
	Mtime          time.Time // when its data was last changed
	Version        int32     // changes of the data
	Cversion       int32     // changes of the children
	Aversion       int32     // changes of the ACL
	EphemeralOwner SessionID // the session an ephemeral node belongs to, or 0
	DataLength     int32     // bytes
	NumChildren    int32     // nodes right below it
}

func decodeStat(d *jute.Decoder) Stat {
	s := proto.DecodeStat(d)
	return Stat{
		Czxid: Zxid(s.Czxid), Mzxid: Zxid(s.Mzxid), Pzxid: Zxid(s.Pzxid),
		Ctime: time.UnixMilli(int64(s.Ctime)), Mtime: time.UnixMilli(int64(s.Mtime)),
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		EphemeralOwner: SessionID(s.EphemeralOwner), DataLength: s.DataLength, NumChildren: s.NumChildren,
	}
}

// A Perm is a set of permissions.
type Perm int32

// The permissions. PermAll is all of them.
const (
	PermRead   Perm = 1  // read data and children
	PermWrite  Perm = 2  // set data
	PermCreate Perm = 4  // create children
	PermDelete Perm = 8  // delete children
	PermAdmin  Perm = 16 // set the ACL
	PermAll    Perm = 31 // all of them
)

// String returns the letters zkCli.sh uses, cdrwa.
func (p Perm) String() string {
	var b strings.Builder
	for _, l := range []struct {
		bit    Perm
		letter byte
	}{{PermCreate, 'c'}, {PermDelete, 'd'}, {PermRead, 'r'}, {PermWrite, 'w'}, {PermAdmin, 'a'}} {
		if p&l.bit != 0 {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}

// An ACL is one entry of a node's access control list.
type ACL struct {
	Perms  Perm   // what is allowed
	Scheme string // world, auth, digest, ip, x509, sasl
	ID     string // to whom: anyone, user:digest, address/bits, …
}

// String returns scheme:id:permissions, as zkCli.sh takes it.
func (a ACL) String() string { return a.Scheme + ":" + a.ID + ":" + a.Perms.String() }

// WorldACL gives everybody the permissions.
func WorldACL(p Perm) []ACL { return []ACL{{Perms: p, Scheme: "world", ID: "anyone"}} }

// CreatorACL gives the permissions to those who the session has
// authenticated as, see [Client.AddAuth].
func CreatorACL(p Perm) []ACL { return []ACL{{Perms: p, Scheme: "auth"}} }

// DigestACL gives the permissions to who knows user and password.
func DigestACL(p Perm, user, password string) []ACL {
	sum := sha1.Sum([]byte(user + ":" + password))
	return []ACL{{Perms: p, Scheme: "digest", ID: user + ":" + base64.StdEncoding.EncodeToString(sum[:])}}
}

func protoACLs(list []ACL) []proto.ACL {
	out := make([]proto.ACL, 0, len(list))
	for _, a := range list {
		out = append(out, proto.ACL{Perms: int32(a.Perms), ID: proto.ID{Scheme: a.Scheme, ID: a.ID}})
	}
	return out
}

func decodeACLs(d *jute.Decoder) []ACL {
	var out []ACL
	for _, a := range proto.DecodeACLs(d) {
		out = append(out, ACL{Perms: Perm(a.Perms), Scheme: a.ID.Scheme, ID: a.ID.ID})
	}
	return out
}

// An Identity is who a session has authenticated as.
type Identity struct {
	Scheme string // as in an ACL
	User   string // a name; for scheme digest without the password
}

// AnyVersion is the version that always matches.
const AnyVersion int32 = -1
