package state

import "quokka/internal/proto"

// multiRead answers several getData and getChildren in one reply, all from
// one moment; each fails on its own. Watch flags are not looked at: Java's
// MultiOperationRecord drops them when it reads the request.
var opMultiRead = row{kind: Read, read: (*State).readMulti}

func (s *State) readMulti(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	parts, err := proto.DecodeMulti(r.Body, proto.OpMultiRead)
	if err != nil {
		return out, proto.MarshallingError
	}
	whole := r.Body
	for _, part := range parts {
		at := len(out)
		r.Body = part.Body
		out = proto.AppendMultiHeader(out, proto.MultiHeader{Op: part.Op})
		b, code := s.rows.row(part.Op).read(s, r, out)
		if out = b; code != proto.OK {
			out = partError(out[:at], code)
		}
	}
	r.Body, r.Arm = whole, r.Arm[:0]
	return proto.AppendMultiHeader(out, proto.MultiEnd), proto.OK
}
