package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"quokka/internal/proto"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.sign("authority", nil)
	return a
}

// sign makes a certificate, of the authority itself if it has none yet.
func (a *authority) sign(name string, ips []net.IP) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: ips,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: a.cert == nil,
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// write puts a certificate and its key into files.
func (a *authority) write(cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

// Certify writes the files of an authority (ca.pem), of a server on 127.0.0.1
// (server.pem, with its key) and of a client (cert.pem, key.pem), for the
// tests outside of the package.
func Certify(t *testing.T, dir, client string) {
	t.Helper()
	a := newAuthority(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	a.write(a.cert, a.key, file("ca.pem"), file("ca.key"))
	cert, key := a.sign("server", []net.IP{net.IPv4(127, 0, 0, 1)})
	a.write(cert, key, file("server.crt"), file("server.key"))
	both := []byte{}
	for _, part := range []string{"server.crt", "server.key"} {
		b, err := os.ReadFile(file(part))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	if err := os.WriteFile(file("server.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key = a.sign(client, nil)
	a.write(cert, key, file("cert.pem"), file("key.pem"))
}

// TestTLSWithReload demands a client certificate, and then another one.
func TestTLSWithReload(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.write(a.cert, a.key, ca, filepath.Join(dir, "unused"))
	serverCert, serverKey := a.sign("server", []net.IP{net.IPv4(127, 0, 0, 1)})
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{serverCert.Raw}, PrivateKey: serverKey}},
		ClientCAs:    pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := make(chan string)
	peers := make(chan *peer)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p := &peer{t: t, conn: conn}
			p.greet(proto.ConnectResponse{TimeoutMS: 9000, SessionID: 0x77, Password: make([]byte, 16)})
			names <- conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
			peers <- p
		}
	}()
	one, oneKey := a.sign("one", nil)
	a.write(one, oneKey, cert, key)
	c, err := New(l.Addr().String(), Options{TLS: TLSFiles(ca, cert, key)})
	if err != nil {
		t.Fatal(err)
	}
	if name := <-names; name != "one" {
		t.Error(name)
	}
	two, twoKey := a.sign("two", nil)
	a.write(two, twoKey, cert, key)
	_ = (<-peers).conn.Close()
	if name := <-names; name != "two" {
		t.Error(name)
	}
	end(c, <-peers)
	for _, files := range [][3]string{{"none", cert, key}, {key, cert, key}, {ca, "none", key}} {
		if _, err := TLSFiles(files[0], files[1], files[2])(); err == nil {
			t.Error(files)
		}
	}
}
