// Package auth knows the schemes by which clients are identified and by which
// access control lists name them: world, digest, ip, and others plugged in.
//
// It identifies and compares; it never decides whether an operation is
// allowed, keeps nothing about a connection, and writes no log: the text of an
// identity comes from the client and may hold line breaks.
//
// Source of the facts: server.auth.ProviderRegistry,
// DigestAuthenticationProvider and IPAuthenticationProvider, and
// PrepRequestProcessor.fixupACL.
package auth

import (
	"fmt"
	"net/netip"

	"quokka/internal/proto"
)

// The schemes that are not a provider's.
const (
	SchemeWorld = "world" // everybody; its only id is Anyone
	SchemeAuth  = "auth"  // in an ACL: the identities of whoever sets it
	SchemeSuper = "super" // held by who may do everything; never in an ACL
	Anyone      = "anyone"
)

// Credentials is what a connection offers for identification.
type Credentials struct {
	Data []byte     // of the auth packet
	Peer netip.Addr // the client's address
}

// A Provider is one scheme. Its methods are called from many goroutines.
type Provider interface {
	// Scheme returns the name, as in an ACL and an auth packet.
	Scheme() string
	// Authenticate returns the identities the credentials prove, at least one.
	Authenticate(c Credentials) ([]proto.ID, error)
	// Valid tells whether id may stand in an ACL.
	Valid(id string) bool
	// Matches tells whether the identity id is meant by the aclID of an ACL.
	Matches(id, aclID string) bool
	// Authenticated tells whether an identity of the scheme may replace the
	// scheme auth in an ACL: whether it belongs to a user and not to a place.
	Authenticated() bool
	// User returns the name to show for an identity (the request whoAmI).
	User(id string) string
}

// Options choose and configure the schemes.
type Options struct {
	// SuperDigest is the digest identity "user:hash" that also becomes super;
	// empty for none (zookeeper.DigestAuthenticationProvider.superDigest).
	SuperDigest string
	// DigestAlgorithm is the name of a hash as Java writes it, empty for SHA1
	// (zookeeper.DigestAuthenticationProvider.digestAlg, since 3.7).
	DigestAlgorithm string
	// DigestDisabled takes the scheme digest away, also from ACLs that exist
	// (zookeeper.DigestAuthenticationProvider.enabled, since 3.7).
	DigestDisabled bool
	// Providers are further schemes. One with the name of a built-in scheme
	// takes its place.
	Providers []Provider
}

// A Registry holds the schemes of a server. It does not change and may be
// used from many goroutines.
type Registry struct{ providers map[string]Provider }

// New returns the Registry of a server.
func New(o Options) (*Registry, error) {
	r := &Registry{providers: map[string]Provider{}}
	r.add(ipProvider{})
	if !o.DigestDisabled {
		d, err := newDigest(o.DigestAlgorithm, o.SuperDigest)
		if err != nil {
			return nil, err
		}
		r.add(d)
	}
	for _, p := range o.Providers {
		switch p.Scheme() {
		case SchemeWorld, SchemeAuth, SchemeSuper, "":
			return nil, fmt.Errorf("auth: a provider may not have the scheme %q: give it another name", p.Scheme())
		}
		r.add(p)
	}
	return r, nil
}

func (r *Registry) add(p Provider) { r.providers[p.Scheme()] = p }

// Known tells whether the scheme may stand in an ACL.
func (r *Registry) Known(scheme string) bool {
	return scheme == SchemeWorld || scheme == SchemeAuth || r.providers[scheme] != nil
}

// Valid tells whether an ACL may name id within scheme. Any id may follow
// auth, as it is replaced anyway.
func (r *Registry) Valid(scheme, id string) bool {
	switch scheme {
	case SchemeWorld:
		return id == Anyone
	case SchemeAuth:
		return true
	}
	p := r.providers[scheme]
	return p != nil && p.Valid(id)
}

// Authenticated tells whether an identity of the scheme may replace auth in
// an ACL. It is false for super and for unknown schemes, as in Java.
func (r *Registry) Authenticated(scheme string) bool {
	p := r.providers[scheme]
	return p != nil && p.Authenticated()
}

// Matches tells whether an identity of the scheme is meant by the aclID of an
// ACL entry of the same scheme. Of a scheme no longer known nothing matches.
// That super matches every ACL is for the caller to see.
func (r *Registry) Matches(scheme, id, aclID string) bool {
	if scheme == SchemeWorld {
		return aclID == Anyone
	}
	p := r.providers[scheme]
	return p != nil && p.Matches(id, aclID)
}

// User returns the name whoAmI shows for an identity, empty if the scheme is
// not known (AuthUtil.getClientInfos).
func (r *Registry) User(scheme, id string) string {
	p := r.providers[scheme]
	if p == nil {
		return ""
	}
	return p.User(id)
}

// Authenticate returns the identities that an auth packet adds to its
// connection. The error wraps proto.AuthFailed, after which the connection
// has to be closed.
func (r *Registry) Authenticate(scheme string, data []byte, peer netip.Addr) ([]proto.ID, error) {
	p := r.providers[scheme]
	if p == nil {
		return nil, fmt.Errorf("auth: no provider for scheme %.40q: %w", scheme, proto.AuthFailed)
	}
	ids, err := p.Authenticate(Credentials{Data: data, Peer: peer})
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w: %w", scheme, proto.AuthFailed, err)
	}
	return ids, nil
}

// PeerIDs returns the identities a connection has from the start: its
// address, if it has one.
func (r *Registry) PeerIDs(addr netip.Addr) []proto.ID {
	if !addr.IsValid() {
		return nil
	}
	return []proto.ID{{Scheme: schemeIP, ID: addrText(addr)}}
}
