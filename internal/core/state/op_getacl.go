package state

import (
	"strings"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// getACL and whoAmI.
var (
	opGetACL = row{kind: Read, read: (*State).readGetACL}
	opWhoAmI = row{kind: Read, read: (*State).readWhoAmI}
)

// readGetACL shows the password hashes of scheme digest only to those who
// could change them.
func (s *State) readGetACL(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	path, _, ok := pathOf(r.Body)
	if !ok {
		return out, proto.MarshallingError
	}
	ref, code := s.readable(path, proto.PermRead|proto.PermAdmin, r.Auth)
	if code != proto.OK {
		return out, code
	}
	acl := s.tree.ACL(ref)
	masked := !s.allowed(acl, proto.PermAdmin, r.Auth)
	if acl == nil {
		acl = s.openACL
	}
	out = appendACL(out, acl, masked)
	st := s.tree.Stat(ref)
	return proto.AppendStat(out, &st), proto.OK
}

func appendACL(b []byte, acl []proto.ACL, masked bool) []byte {
	if !masked {
		return proto.AppendACLs(b, acl)
	}
	b = jute.AppendInt(b, int32(len(acl)))
	for _, a := range acl {
		if user, _, found := strings.Cut(a.ID.ID, ":"); found && a.ID.Scheme == "digest" {
			a.ID.ID = user + ":x"
		}
		b = jute.AppendInt(b, a.Perms)
		b = proto.AppendID(b, a.ID)
	}
	return b
}

// readWhoAmI lists the connection's ids by scheme and display name.
func (s *State) readWhoAmI(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	out = jute.AppendInt(out, int32(len(r.Auth)))
	for _, id := range r.Auth {
		user := ""
		if s.known(id.Scheme) {
			user = s.opts.Schemes.User(id.Scheme, id.ID)
		}
		out = proto.AppendID(out, proto.ID{Scheme: id.Scheme, ID: user})
	}
	return out, proto.OK
}
