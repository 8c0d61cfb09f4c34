package client

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// DigestMD5 returns an Options.SASL for DIGEST-MD5 (RFC 2831), the mechanism
// of servers whose JAAS file has a DigestLoginModule with user_NAME entries.
// The session is then sasl:user in ACLs. The server proves that it knows the
// password, too; if it does not, the Client ends with ErrAuthFailed.
//
// The password does not cross the network, but who listens can try passwords
// against what does: use TLS as well.
func DigestMD5(user, password string) func(server string) (SASL, error) {
	return func(string) (SASL, error) {
		nonce := make([]byte, 16)
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		return &digestMD5{user: user, password: password, uri: digestURI, cnonce: base64.StdEncoding.EncodeToString(nonce)}, nil
	}
}

// digestMD5 is one conversation.
type digestMD5 struct {
	user, password string
	uri, cnonce    string
	proof          string // what the server must answer
}

// Servers of ZooKeeper expect one URI whatever their names are
// (SecurityUtils.createSaslClient).
const digestURI = "zookeeper/zk-sasl-md5"

const nonceCount = "00000001" // every conversation has a nonce of its own

// Next answers: with nothing first, for the server speaks first; then to the
// challenge; and it checks the server's proof last.
func (d *digestMD5) Next(_ context.Context, challenge []byte) (response []byte, done bool, err error) {
	switch {
	case challenge == nil:
		return nil, false, nil
	case d.proof == "":
		response, err = d.respond(string(challenge))
		return response, false, err
	}
	fields, err := parseDigest(string(challenge))
	if err != nil {
		return nil, false, err
	}
	if !hmac.Equal([]byte(fields["rspauth"]), []byte(d.proof)) {
		return nil, false, errors.New("DIGEST-MD5: the server does not prove that it knows the password")
	}
	return nil, true, nil
}

func (d *digestMD5) respond(challenge string) ([]byte, error) {
	f, err := parseDigest(challenge)
	switch {
	case err != nil:
		return nil, err
	case f["nonce"] == "":
		return nil, errors.New("DIGEST-MD5: the challenge has no nonce")
	case !strings.EqualFold(f["algorithm"], "md5-sess"):
		return nil, fmt.Errorf("DIGEST-MD5: algorithm %q: only md5-sess is known", f["algorithm"])
	case f["qop"] != "" && !listed(f["qop"], "auth"):
		return nil, fmt.Errorf("DIGEST-MD5: the server demands one of %q: only auth is known", f["qop"])
	}
	// Without charset=utf-8 the server takes ISO 8859-1, of which ASCII is the
	// part that needs no conversion.
	utf8 := f["charset"] == "utf-8"
	if !utf8 && (!ascii(d.user) || !ascii(d.password)) {
		return nil, errors.New("DIGEST-MD5: the server takes no UTF-8: choose a name and password in ASCII")
	}
	realm := f["realm"]
	secret := md5.Sum([]byte(latin1(d.user) + ":" + latin1(realm) + ":" + latin1(d.password)))
	a1 := hexMD5(string(secret[:]) + ":" + f["nonce"] + ":" + d.cnonce)
	sign := func(method string) string {
		return hexMD5(strings.Join([]string{a1, f["nonce"], nonceCount, d.cnonce, "auth", hexMD5(method + ":" + d.uri)}, ":"))
	}
	d.proof = sign("")
	var b strings.Builder
	if utf8 {
		b.WriteString("charset=utf-8,")
	}
	fmt.Fprintf(&b, `username=%s,realm=%s,nonce=%s,nc=%s,cnonce=%s,digest-uri=%s,response=%s,qop=auth`,
		quote(d.user), quote(realm), quote(f["nonce"]), nonceCount, quote(d.cnonce), quote(d.uri), sign("AUTHENTICATE"))
	return []byte(b.String()), nil
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

// latin1 returns the bytes that go into the secret: those of ISO 8859-1 where
// that has all the letters, else those of UTF-8 (RFC 2831, 2.1.2.1).
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 {
			return s
		}
		b = append(b, byte(r))
	}
	return string(b)
}

func listed(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(w), word) {
			return true
		}
	}
	return false
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// parseDigest reads name=value pairs separated by commas, the values quoted
// or not. Of a name that comes twice, which a realm may, the first counts.
func parseDigest(s string) (map[string]string, error) {
	fields := make(map[string]string)
	for {
		s = strings.TrimLeft(s, ", \t\r\n")
		if s == "" {
			return fields, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil, errors.New("DIGEST-MD5: the challenge is not a list of name=value")
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			if value, s, ok = unquote(rest[1:]); !ok {
				return nil, errors.New("DIGEST-MD5: a quoted value in the challenge does not end")
			}
		} else {
			value, s, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := fields[name]; !twice {
			fields[name] = value
		}
	}
}

// unquote reads up to the closing quote.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
