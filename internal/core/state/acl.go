package state

import (
	"slices"

	"quokka/internal/proto"
)

// allowed tells whether somebody with the given ids has one of the
// permissions in perm (ZooKeeperServer.checkACL). No ACL lets everybody pass,
// as does an id of the scheme super.
func (s *State) allowed(acl []proto.ACL, perm int32, ids []proto.ID) bool {
	if s.opts.SkipACL || len(acl) == 0 {
		return true
	}
	for i := range acl {
		if acl[i].Perms&perm != 0 && isAnyone(acl[i].ID) {
			return true
		}
	}
	for i := range ids {
		if ids[i].Scheme == "super" {
			return true
		}
	}
	for i := range acl {
		if acl[i].Perms&perm != 0 && s.matches(acl[i].ID, ids) {
			return true
		}
	}
	return false
}

func isAnyone(id proto.ID) bool { return id.Scheme == "world" && id.ID == "anyone" }

func (s *State) matches(want proto.ID, ids []proto.ID) bool {
	for i := range ids {
		if ids[i].Scheme == want.Scheme && s.known(want.Scheme) &&
			s.opts.Schemes.Matches(want.Scheme, ids[i].ID, want.ID) {
			return true
		}
	}
	return false
}

func (s *State) known(scheme string) bool {
	return s.opts.Schemes != nil && s.opts.Schemes.Known(scheme)
}

// fixACL checks the list a client wants to set and makes the one to store:
// duplicates go, "auth" becomes the authenticated ids of the client
// (PrepRequestProcessor.fixupACL). An empty list is InvalidACL, and so is
// "auth" from somebody without such an id.
func (s *State) fixACL(acl []proto.ACL, ids []proto.ID) ([]proto.ACL, proto.Code) {
	if len(acl) == 0 {
		return nil, proto.InvalidACL
	}
	acl = withoutDuplicates(acl)
	out := make([]proto.ACL, 0, len(acl))
	for _, a := range acl {
		switch {
		case isAnyone(a.ID):
			out = append(out, a)
		case a.ID.Scheme == "auth":
			n := len(out)
			if out = s.expandAuth(out, a.Perms, ids); len(out) == n {
				return nil, proto.InvalidACL
			}
		case s.known(a.ID.Scheme) && s.opts.Schemes.Valid(a.ID.Scheme, a.ID.ID):
			out = append(out, a)
		default:
			return nil, proto.InvalidACL
		}
	}
	return out, proto.OK
}

// withoutDuplicates returns the list with each entry once, where it first
// stood. A long list, which only an attacker sends, costs a map.
func withoutDuplicates(acl []proto.ACL) []proto.ACL {
	if len(acl) == 1 {
		return acl
	}
	seen := make(map[proto.ACL]bool, len(acl))
	return slices.DeleteFunc(slices.Clone(acl), func(a proto.ACL) bool {
		if seen[a] {
			return true
		}
		seen[a] = true
		return false
	})
}

func (s *State) expandAuth(out []proto.ACL, perms int32, ids []proto.ID) []proto.ACL {
	for _, id := range ids {
		if s.known(id.Scheme) && s.opts.Schemes.Authenticated(id.Scheme) {
			out = append(out, proto.ACL{Perms: perms, ID: id})
		}
	}
	return out
}
