package state

import (
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A ReadRequest is a read and what it asks of the caller besides its reply.
// The caller may reuse it, together with the slices of the results.
type ReadRequest struct {
	Session proto.SessionID
	Conn    watch.ConnID
	Op      proto.Op
	Body    []byte     // the record; results never alias it
	Auth    []proto.ID // the ids of the connection

	// Arm are the watches to register with State.Arm under the same lock;
	// also when the code is NoNode, for exists watches a node to come.
	Arm []Arm
	// Events must be sent to the connection before the reply, with zxid -1:
	// what setWatches finds has happened already.
	Events []Event
}

// Read answers a read: it appends the body of the reply to out and returns
// it with the code for the header. With a code other than OK nothing is
// appended. An operation that is no read is Unimplemented.
//
// Read changes nothing in the State, unless NeedsExclusive tells otherwise, so
// many may run at a time.
func (s *State) Read(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	r.Arm, r.Events = r.Arm[:0], r.Events[:0]
	row := s.rows.row(r.Op)
	if row == nil || row.read == nil {
		return out, proto.Unimplemented
	}
	n := len(out)
	b, code := row.read(s, r, out)
	if code != proto.OK {
		return b[:n], code
	}
	return b, proto.OK
}

// arm asks for a watch.
func (r *ReadRequest) arm(path []byte, k watch.Kind) {
	r.Arm = append(r.Arm, Arm{Path: string(path), Kind: k})
}

// pathOf decodes a record that begins with a path; ok is false if it is
// malformed or the path is null.
func pathOf(body []byte) (path []byte, d jute.Decoder, ok bool) {
	d = jute.NewDecoder(body)
	path = d.Bytes()
	return path, d, d.Err() == nil && path != nil
}

// readable finds the node at path for somebody who must have one of the
// permissions in perm.
func (s *State) readable(path []byte, perm int32, auth []proto.ID) (ref tree.Ref, code proto.Code) {
	ref = s.tree.Find(path)
	switch {
	case ref == 0:
		return 0, proto.NoNode
	case !s.allowed(s.tree.ACL(ref), perm, auth):
		return 0, proto.NoAuth
	}
	return ref, proto.OK
}
