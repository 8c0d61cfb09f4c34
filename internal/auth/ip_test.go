package auth

import (
	"net/netip"
	"strings"
	"testing"
)

func TestIPValid(t *testing.T) {
	r := registry(t, Options{})
	for id, want := range map[string]bool{
		"10.0.0.1": true, "010.000.0.1": true, "10.0.0.256": false, "10.0.0": false, "10.0.0.1.2": false,
		"10.0.0.": false, "10.0.0.-1": false, "": false, "localhost": false, "10.0.0.1 ": false,
		"10.0.0.1/0": true, "10.0.0.1/32": true, "10.0.0.1/33": false, "10.0.0.1/": false, "10.0.0.1/-1": false,
		"10.0.0.1/8/8": false, "/8": false,
		"::1": true, "::": true, "1::": true, "2001:db8::/32": true, "::/0": true, "::1/128": true, "::1/129": false,
		"1:2:3:4:5:6:7:8": true, "1:2:3:4:5:6:7": false, "1:2:3:4:5:6:7:8:9": false, "1:2:3:4::5:6:7:8": false,
		"1::2::3": false, ":::": false, ":1": false, "1:": false, "12345::": false, "g::": false, "-1::": false,
		"::ffff:1.2.3.4": false, // Java reads no IPv4 inside IPv6
		"::ffff:102:304": true, "fe80::1%eth0": false, "[::1]": false,
	} {
		if got := r.Valid("ip", id); got != want {
			t.Errorf("Valid(%q) = %v", id, got)
		}
	}
}

func TestIPMatches(t *testing.T) {
	r := registry(t, Options{})
	for _, c := range []struct {
		peer, acl string
		want      bool
	}{
		{"10.1.2.3", "10.1.2.3", true},
		{"10.1.2.3", "010.001.02.3", true},
		{"10.1.2.3", "10.1.2.4", false},
		{"10.1.2.3", "10.1.0.0/16", true},
		{"10.1.2.3", "10.1.99.99/16", true},
		{"10.1.2.3", "10.0.0.0/15", true},
		{"10.1.2.3", "10.0.0.0/16", false},
		{"10.1.2.3", "0.0.0.0/0", true},
		{"10.1.2.3", "::/0", false},
		{"10.1.2.3", "::ffff:a01:203", false},
		{"0:0:0:0:0:0:0:1", "::1", true},
		{"0:0:0:0:0:0:0:1", "0.0.0.0/0", false},
		{"2001:db8:0:0:0:0:0:9", "2001:db8::/32", true},
		{"2001:db8:0:0:0:0:0:9", "2001:dba::/31", false},
		{"2001:db8:0:0:0:0:0:9", "2001:db9::/31", true},
		{"10.1.2.3", "rubbish", false},
		{"rubbish", "0.0.0.0/0", false},
		{"10.1.2.3/8", "10.0.0.0/8", false}, // an identity is an address, not a prefix
	} {
		if got := r.Matches("ip", c.peer, c.acl); got != c.want {
			t.Errorf("%s matches %s: %v", c.peer, c.acl, got)
		}
	}
}

func TestIPMatchesDoesNotAllocate(t *testing.T) {
	r := registry(t, Options{})
	if n := testing.AllocsPerRun(100, func() {
		r.Matches("ip", "10.1.2.3", "10.1.0.0/16")
		r.Matches("ip", "2001:db8:0:0:0:0:0:9", "2001:db8::/32")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzIP compares with netip where both know the notation, and checks that
// what is valid can be matched.
func FuzzIP(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "10.0.0.0/8", "::1", "1::8/64", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1.2.3.+4", ":::"} {
		f.Add(s)
	}
	p := ipProvider{}
	f.Fuzz(func(t *testing.T, s string) {
		valid := p.Valid(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			mixed := strings.Contains(s, ":") && strings.Contains(s, ".")
			if valid == mixed {
				t.Fatalf("netip reads %q as %v, valid = %v", s, a, valid)
			}
			if valid && !p.Matches(a.StringExpanded(), s) {
				t.Fatalf("%v does not match %q", a, s)
			}
		}
		addr, _, sliced := strings.Cut(s, "/")
		if valid && !p.Matches(addr, s) {
			t.Fatalf("%q does not match %q", addr, s)
		}
		if !valid && p.Matches("10.0.0.1", s) {
			t.Fatalf("an invalid ACL %q matches", s)
		}
		if valid && !sliced && p.Matches("10.0.0.1", s) != p.Matches(s, "10.0.0.1") {
			t.Fatalf("%q: matching two addresses is not symmetric", s)
		}
	})
}

func FuzzDigest(f *testing.F) {
	f.Add([]byte("bob:pw"))
	f.Add([]byte(""))
	f.Add([]byte("\xff\xfe:\n"))
	r := registry(f, Options{SuperDigest: bobSHA1})
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := r.Authenticate("digest", data, netip.Addr{})
		if err != nil || len(ids) == 0 {
			t.Fatalf("%q: %v, %v", data, ids, err)
		}
		own := ids[len(ids)-1]
		super := len(ids) == 2
		if super != (string(data) == "bob:pw") {
			t.Fatalf("%q became super: %v", data, super)
		}
		if strings.ToValidUTF8(own.ID, "") != own.ID {
			t.Fatalf("%q: identity %q is no text", data, own.ID)
		}
		user := r.User("digest", own.ID)
		if !strings.HasPrefix(own.ID, user+":") || !r.Matches("digest", own.ID, own.ID) || !r.Valid("digest", own.ID) {
			t.Fatalf("%q: identity %q, user %q", data, own.ID, user)
		}
	})
}
