package state

import (
	"bytes"

	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// exists and getData, and sync, which only echoes its path: that everything
// proposed before is applied is seen to by the caller.
var (
	opExists  = row{kind: Read, read: (*State).readExists}
	opGetData = row{kind: Read, read: (*State).readGetData}
	opSync    = row{kind: Sync, read: (*State).readSync}
)

// readExists registers its watch also where no node is, to wait for one.
// READ is needed since 3.8.4 and 3.9.2 (ZOOKEEPER-4799).
func (s *State) readExists(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	path, d, ok := pathOf(r.Body)
	watching := d.Bool()
	if !ok || d.Err() != nil {
		return out, proto.MarshallingError
	}
	if bytes.IndexByte(path, 0) >= 0 {
		return out, proto.BadArguments
	}
	ref, code := s.readable(path, proto.PermRead, r.Auth)
	if code == proto.NoAuth {
		return out, code
	}
	if watching {
		r.arm(path, watch.Data)
	}
	if code != proto.OK {
		return out, code
	}
	st := s.tree.Stat(ref)
	return proto.AppendStat(out, &st), proto.OK
}

func (s *State) readGetData(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	path, d, ok := pathOf(r.Body)
	watching := d.Bool()
	if !ok || d.Err() != nil {
		return out, proto.MarshallingError
	}
	ref, code := s.readable(path, proto.PermRead, r.Auth)
	if code != proto.OK {
		return out, code
	}
	if watching {
		r.arm(path, watch.Data)
	}
	st := s.tree.Stat(ref)
	out = jute.AppendBuffer(out, s.tree.Data(ref))
	return proto.AppendStat(out, &st), proto.OK
}

func (s *State) readSync(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	d := jute.NewDecoder(r.Body)
	path := d.Bytes()
	if d.Err() != nil {
		return out, proto.MarshallingError
	}
	return jute.AppendBuffer(out, path), proto.OK
}
