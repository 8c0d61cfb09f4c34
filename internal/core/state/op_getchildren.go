package state

import (
	"encoding/binary"
	"strings"

	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// getChildren, getChildren2, getAllChildrenNumber and getEphemerals. The
// order of children is the tree's; clients may rely on none.
var (
	opGetChildren          = row{kind: Read, read: (*State).readGetChildren}
	opGetChildren2         = row{kind: Read, read: (*State).readGetChildren2}
	opGetAllChildrenNumber = row{kind: Read, read: (*State).readGetAllChildrenNumber}
	opGetEphemerals        = row{kind: Read, read: (*State).readGetEphemerals}
)

func (s *State) readGetChildren(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	ref, code := s.parentToRead(r)
	if code != proto.OK {
		return out, code
	}
	return s.appendChildren(out, ref), proto.OK
}

func (s *State) readGetChildren2(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	ref, code := s.parentToRead(r)
	if code != proto.OK {
		return out, code
	}
	out = s.appendChildren(out, ref)
	st := s.tree.Stat(ref)
	return proto.AppendStat(out, &st), proto.OK
}

// parentToRead finds the node whose children are asked for, and arms.
func (s *State) parentToRead(r *ReadRequest) (tree.Ref, proto.Code) {
	path, d, ok := pathOf(r.Body)
	watching := d.Bool()
	if !ok || d.Err() != nil {
		return 0, proto.MarshallingError
	}
	ref, code := s.readable(path, proto.PermRead, r.Auth)
	if code == proto.OK && watching {
		r.arm(path, watch.Child)
	}
	return ref, code
}

func (s *State) appendChildren(b []byte, ref tree.Ref) []byte {
	b = jute.AppendInt(b, int32(s.tree.NumChildren(ref)))
	for c := range s.tree.Children(ref) {
		at := len(b)
		b = jute.AppendInt(b, 0)
		b = s.tree.AppendName(b, c)
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return b
}

// readGetAllChildrenNumber counts all nodes below. Java counts in its map,
// where the root is both "" and "/": asked for "" it finds "/" below it.
func (s *State) readGetAllChildrenNumber(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	path, _, ok := pathOf(r.Body)
	if !ok {
		return out, proto.MarshallingError
	}
	ref, code := s.readable(path, proto.PermRead, r.Auth)
	if code != proto.OK {
		return out, code
	}
	n := s.tree.Descendants(ref)
	if len(path) == 0 {
		n++
	}
	return jute.AppendInt(out, int32(n)), proto.OK
}

// readGetEphemerals lists the session's own ephemerals whose path begins with
// the prefix, as text: "/a" also finds "/ab". Blank and "/" find all. No
// permission is needed.
func (s *State) readGetEphemerals(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	d := jute.NewDecoder(r.Body)
	prefix := d.String()
	if d.Err() != nil {
		return out, proto.MarshallingError
	}
	if t := strings.Trim(prefix, blanks); t == "" || t == "/" {
		prefix = ""
	}
	at, n := len(out), uint32(0)
	out = jute.AppendInt(out, 0)
	for _, path := range s.tree.Ephemerals(r.Session) {
		if strings.HasPrefix(path, prefix) {
			out = jute.AppendString(out, path)
			n++
		}
	}
	binary.BigEndian.PutUint32(out[at:], n)
	return out, proto.OK
}

// blanks are the characters Java's String.trim removes.
const blanks = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f" +
	"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "
