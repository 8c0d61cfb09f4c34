package auth

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

const bobSHA1 = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=" // of bob:pw, by openssl

func registry(t testing.TB, o Options) *Registry {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSchemesInACLs(t *testing.T) {
	r := registry(t, Options{})
	for _, c := range []struct {
		scheme, id                  string
		known, valid, authenticated bool
	}{
		{"world", "anyone", true, true, false},
		{"world", "else", true, false, false},
		{"auth", "", true, true, false},
		{"super", "", false, false, false}, // Java has no provider for it
		{"x509", "CN=a", false, false, false},
		{"digest", "bob:hash", true, true, true},
		{"ip", "10.0.0.1", true, true, false},
		{"", "", false, false, false},
	} {
		if got := r.Known(c.scheme); got != c.known {
			t.Errorf("Known(%s) = %v", c.scheme, got)
		}
		if got := r.Valid(c.scheme, c.id); got != c.valid {
			t.Errorf("Valid(%s:%s) = %v", c.scheme, c.id, got)
		}
		if got := r.Authenticated(c.scheme); got != c.authenticated {
			t.Errorf("Authenticated(%s) = %v", c.scheme, got)
		}
	}
	if !r.Matches("world", "", "anyone") || r.Matches("world", "", "me") || r.Matches("super", "", "") {
		t.Error("Matches is wrong for world or super")
	}
}

func TestUser(t *testing.T) {
	r := registry(t, Options{})
	for _, c := range [][3]string{
		{"digest", "bob:hash", "bob"}, {"digest", "bob", "bob"}, {"digest", ":h", ""},
		{"ip", "10.0.0.1", "10.0.0.1"}, {"super", "", ""}, {"world", "anyone", ""}, {"x", "y", ""},
	} {
		if got := r.User(c[0], c[1]); got != c[2] {
			t.Errorf("User(%s:%s) = %q", c[0], c[1], got)
		}
	}
}

func TestAuthenticateDigest(t *testing.T) {
	got, err := registry(t, Options{}).Authenticate("digest", []byte("bob:pw"), netip.Addr{})
	if want := []proto.ID{{Scheme: "digest", ID: bobSHA1}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	r := registry(t, Options{SuperDigest: bobSHA1})
	got, _ = r.Authenticate("digest", []byte("bob:pw"), netip.Addr{})
	if want := []proto.ID{{Scheme: "super"}, {Scheme: "digest", ID: bobSHA1}}; !slices.Equal(got, want) {
		t.Errorf("super: %v", got)
	}
	got, _ = r.Authenticate("digest", []byte("bob:pw2"), netip.Addr{})
	if len(got) != 1 || got[0].Scheme != "digest" {
		t.Errorf("wrong password: %v", got)
	}
}

func TestDigestOddities(t *testing.T) {
	r := registry(t, Options{})
	for data, user := range map[string]string{
		"nocolon": "nocolon", "": "", "a:b:c": "a", ":pw": "", "ev\nil:pw": "ev\nil", "\xff:pw": "\uFFFD",
	} {
		ids, err := r.Authenticate("digest", []byte(data), netip.Addr{})
		if err != nil || len(ids) != 1 || !strings.HasPrefix(ids[0].ID, user+":") {
			t.Errorf("%q: %v, %v", data, ids, err)
		}
	}
	for id, want := range map[string]bool{
		"a:b": true, "a": false, "": false, ":": false, "a:": false, "a:b:c": false, // like Java's split
		"a:b:": true, "a:b::": true, ":b": true, "a::": false, "a::b": false,
	} {
		if got := r.Valid("digest", id); got != want {
			t.Errorf("Valid(%q) = %v", id, got)
		}
	}
	if !r.Matches("digest", "a:b", "a:b") || r.Matches("digest", "a:b", "a:c") {
		t.Error("digest identities are compared as they are")
	}
}

func TestDigestAlgorithms(t *testing.T) {
	for alg, length := range map[string]int{
		"": 28, "SHA1": 28, "sha-1": 28, "MD5": 24, "SHA-256": 44, "SHA-512": 88, "SHA3-256": 44, "SHA-512/256": 44,
	} {
		ids, err := registry(t, Options{DigestAlgorithm: alg}).Authenticate("digest", []byte("u:p"), netip.Addr{})
		if err != nil || len(ids[0].ID) != len("u:")+length {
			t.Errorf("%q: %v, %v", alg, ids, err)
		}
	}
	if _, err := New(Options{DigestAlgorithm: "ROT13"}); err == nil || !strings.Contains(err.Error(), "ROT13") {
		t.Errorf("ROT13: %v", err)
	}
}

func TestDigestDisabled(t *testing.T) {
	r := registry(t, Options{DigestDisabled: true, DigestAlgorithm: "ROT13"})
	_, err := r.Authenticate("digest", []byte("u:p"), netip.Addr{})
	if !errors.Is(err, proto.AuthFailed) {
		t.Errorf("err = %v", err)
	}
	if r.Known("digest") || r.Valid("digest", "a:b") || r.Matches("digest", "a:b", "a:b") || r.Authenticated("digest") {
		t.Error("digest is still there")
	}
}

func TestSchemesThatCannotBeSent(t *testing.T) {
	r := registry(t, Options{})
	for _, scheme := range []string{"world", "auth", "super", "sasl", "x509", "", strings.Repeat("x", 1<<16)} {
		ids, err := r.Authenticate(scheme, nil, netip.Addr{})
		if ids != nil || !errors.Is(err, proto.AuthFailed) || len(err.Error()) > 200 {
			t.Errorf("%.10q: %v, %v", scheme, ids, err)
		}
	}
}

func TestPeerIDs(t *testing.T) {
	r := registry(t, Options{})
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"::1": "0:0:0:0:0:0:0:1", "2001:db8::a:0:1": "2001:db8:0:0:0:a:0:1", "fe80::1%eth0": "fe80:0:0:0:0:0:0:1",
	} {
		ids := r.PeerIDs(netip.MustParseAddr(in))
		if !slices.Equal(ids, []proto.ID{{Scheme: "ip", ID: want}}) {
			t.Errorf("%s: %v", in, ids)
		}
		sent, err := r.Authenticate("ip", []byte("ignored"), netip.MustParseAddr(in))
		if err != nil || !slices.Equal(sent, ids) {
			t.Errorf("%s: auth packet gives %v, %v", in, sent, err)
		}
		if !r.Matches("ip", want, want) {
			t.Errorf("%s does not match itself", want)
		}
	}
	if ids := r.PeerIDs(netip.Addr{}); ids != nil {
		t.Errorf("without an address: %v", ids)
	}
}

type failing struct{ *digest }

var errNo = errors.New("no")

func (failing) Authenticate(Credentials) ([]proto.ID, error) { return nil, errNo }

func TestProvidersArePluggedIn(t *testing.T) {
	r := registry(t, Options{Providers: []Provider{failing{new(digest)}}})
	if _, err := r.Authenticate("digest", nil, netip.Addr{}); !errors.Is(err, errNo) || !errors.Is(err, proto.AuthFailed) {
		t.Errorf("err = %v", err)
	}
	if _, err := New(Options{Providers: []Provider{named{name: "super"}}}); err == nil {
		t.Error("a provider named super was taken")
	}
}

type named struct {
	ipProvider
	name string
}

func (n named) Scheme() string { return n.name }
