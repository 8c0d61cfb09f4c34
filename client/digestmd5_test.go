package client

import (
	"strings"
	"testing"
)

// TestDigestMD5Example is the example of RFC 2831, section 4.
func TestDigestMD5Example(t *testing.T) {
	mech, err := DigestMD5("chris", "secret")("server:2181")
	if err != nil {
		t.Fatal(err)
	}
	d := mech.(*digestMD5)
	d.uri, d.cnonce = "imap/elwood.innosoft.com", "OA6MHXh6VqTrRk"
	if b, done, err := d.Next(t.Context(), nil); b != nil || done || err != nil {
		t.Error(b, done, err)
	}
	b, done, err := d.Next(t.Context(), []byte(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`))
	if done || err != nil {
		t.Fatal(done, err)
	}
	f, err := parseDigest(string(b))
	if err != nil || f["response"] != "d388dad90d4bbd760a152321f2143af7" || f["username"] != "chris" || f["nc"] != "00000001" {
		t.Errorf("%s, %v", b, err)
	}
	if strings.Contains(string(b), "secret") {
		t.Error("the password is sent")
	}
	if _, done, err := d.Next(t.Context(), []byte(`rspauth=ea40f60335c427b5527b84dbabcdfffe`)); done || err == nil {
		t.Error("a false server was taken")
	}
	if b, done, err := d.Next(t.Context(), []byte(`rspauth=ea40f60335c427b5527b84dbabcdfffd`)); !done || b != nil || err != nil {
		t.Error(b, done, err)
	}
}

// TestDigestMD5Names has what must be quoted or encoded.
func TestDigestMD5Names(t *testing.T) {
	mech, _ := DigestMD5(`a"b\cä`, "pß")("")
	b, _, err := mech.Next(t.Context(), []byte(`nonce="x",algorithm=md5-sess,charset=utf-8,realm="a\"b",realm=other`))
	f, perr := parseDigest(string(b))
	if err != nil || perr != nil || f["username"] != `a"b\cä` || f["realm"] != `a"b` {
		t.Errorf("%s: %v, %v, %v", b, f, err, perr)
	}
	if latin1("ä") != "\xe4" || latin1("€ä") != "€ä" {
		t.Error("latin1")
	}
}

func TestDigestMD5RefusesWhatItDoesNotKnow(t *testing.T) {
	for challenge, why := range map[string]string{
		`nonce="x",algorithm=md5-sess`:                              "ASCII",
		`nonce="x",charset=utf-8`:                                   "algorithm",
		`nonce="x",charset=utf-8,algorithm=md5-sess,qop="auth-int"`: "auth-int",
		`charset=utf-8,algorithm=md5-sess`:                          "nonce",
		`nonce="x`:                                                  "does not end",
		`nonce="x\`:                                                 "does not end",
		`nonsense`:                                                  "name=value",
		``:                                                          "nonce",
	} {
		mech, _ := DigestMD5("ä", "p")("")
		if b, done, err := mech.Next(t.Context(), []byte(challenge)); err == nil || done || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %q, %v, want %s", challenge, b, err, why)
		}
	}
}

func FuzzDigest(f *testing.F) {
	f.Add(`realm="a\"b",nonce="x",qop="auth",algorithm=md5-sess,charset=utf-8`)
	f.Fuzz(func(t *testing.T, challenge string) {
		mech, _ := DigestMD5("u", "p")("")
		_, _, _ = mech.Next(t.Context(), []byte(challenge))
		_, done, err := mech.Next(t.Context(), []byte(challenge))
		if done && err == nil {
			t.Error("a challenge proves nothing")
		}
	})
}
