package auth

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"

	"quokka/internal/proto"
)

const schemeDigest = "digest"

// digest is the scheme of user and password
// (DigestAuthenticationProvider). The identity is the user, a colon, and the
// base64 of the hash of "user:password".
type digest struct {
	hash        func() hash.Hash
	superDigest string
}

// newDigest knows the hashes by the names of Java's MessageDigest, in any
// case.
func newDigest(algorithm, superDigest string) (*digest, error) {
	d := &digest{superDigest: superDigest}
	switch strings.ToUpper(algorithm) {
	case "", "SHA1", "SHA-1", "SHA":
		d.hash = sha1.New
	case "MD5":
		d.hash = md5.New
	case "SHA-224", "SHA224":
		d.hash = sha256.New224
	case "SHA-256", "SHA256":
		d.hash = sha256.New
	case "SHA-384", "SHA384":
		d.hash = sha512.New384
	case "SHA-512", "SHA512":
		d.hash = sha512.New
	case "SHA-512/224", "SHA512/224":
		d.hash = sha512.New512_224
	case "SHA-512/256", "SHA512/256":
		d.hash = sha512.New512_256
	case "SHA3-224":
		d.hash = func() hash.Hash { return sha3.New224() }
	case "SHA3-256":
		d.hash = func() hash.Hash { return sha3.New256() }
	case "SHA3-384":
		d.hash = func() hash.Hash { return sha3.New384() }
	case "SHA3-512":
		d.hash = func() hash.Hash { return sha3.New512() }
	default:
		return nil, fmt.Errorf("auth: digest algorithm %q is not supported: want SHA1, SHA-256, SHA-512 or another SHA", algorithm)
	}
	return d, nil
}

func (d *digest) Scheme() string { return schemeDigest }

// Authenticate takes "user:password"; a missing colon is tolerated, the whole
// text is then the user. Bytes that are not UTF-8 are replaced before they are
// hashed, since an identity is text.
func (d *digest) Authenticate(c Credentials) ([]proto.ID, error) {
	id := d.identity(strings.ToValidUTF8(string(c.Data), "\uFFFD"))
	own := proto.ID{Scheme: schemeDigest, ID: id}
	if d.superDigest != "" && subtle.ConstantTimeCompare([]byte(id), []byte(d.superDigest)) == 1 {
		return []proto.ID{{Scheme: SchemeSuper}, own}, nil
	}
	return []proto.ID{own}, nil
}

func (d *digest) identity(userPassword string) string {
	h := d.hash()
	h.Write([]byte(userPassword))
	user, _, _ := strings.Cut(userPassword, ":")
	return user + ":" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Valid wants two parts around one colon; colons at the end do not count, and
// the user may be empty.
func (d *digest) Valid(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}

func (d *digest) Matches(id, aclID string) bool { return id == aclID }

func (d *digest) Authenticated() bool { return true }

func (d *digest) User(id string) string {
	user, _, _ := strings.Cut(id, ":")
	return user
}
