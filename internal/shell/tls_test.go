package shell_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quokka/internal/cli"
	"quokka/quokkatest"
)

// identity makes a certificate for a host that signs itself, and its key.
func identity(t *testing.T, host string) (cert, key []byte, pair tls.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	return cert, key, pair
}

// tlsFront takes TLS connections from clients that have a certificate of
// clients, and passes on what is inside.
func tlsFront(t *testing.T, pair tls.Certificate, clients []byte, to string) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(clients)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go forward(conn, to)
		}
	}()
	return l.Addr().String()
}

func forward(conn net.Conn, to string) {
	defer conn.Close()
	back, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(back, conn)
		_ = back.Close()
	}()
	_, _ = io.Copy(conn, back)
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, parts ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	serverCert, _, serverPair := identity(t, "localhost")
	ourCert, ourKey, _ := identity(t, "somebody")
	addr := tlsFront(t, serverPair, ourCert, quokkatest.Start(t, 1).ConnectString())
	_, port, _ := net.SplitHostPort(addr)
	ca, cert, key, both := file("ca.pem", serverCert), file("cert.pem", ourCert), file("key.pem", ourKey), file("both.pem", ourKey, ourCert)
	java := "zookeeper.client.secure=true\nzookeeper.ssl.trustStore.location=" + ca + "\nzookeeper.ssl.keyStore.location=" + both + "\n"
	strict := file("strict.properties", []byte(java))
	loose := file("loose.properties", []byte(java+"zookeeper.ssl.hostnameVerification=false\n"))
	stranger := file("stranger.properties", []byte(strings.Replace(java, ca, cert, 1)+"zookeeper.ssl.hostnameVerification=false\n"))
	for _, c := range []struct{ args, says string }{
		{"-server localhost:" + port + " --tls-ca " + ca + " --tls-cert " + cert + " --tls-key " + key, ""},
		{"-server localhost:" + port + " -client-configuration " + strict, ""},
		{"-server " + addr + " -client-configuration " + loose, ""},
		{"-server " + addr + " -client-configuration " + strict, "certificate"},
		{"-server localhost:" + port + " -client-configuration " + stranger, "certificate"},
		{"-server localhost:" + port + " --tls-ca " + ca, "certificate required"},
		{"-server " + addr, "does the port want TLS"},
		{"zkCli.sh -server localhost:" + port, ""},
	} {
		var out, errs bytes.Buffer
		stdio := cli.IO{In: strings.NewReader(""), Out: &out, Err: &errs}
		if line, ok := strings.CutPrefix(c.args, "zkCli.sh "); ok {
			c.args, stdio.Name = line, "zkCli.sh"
			stdio.Environ = []string{"CLIENT_JVMFLAGS=-Xmx1g -D" + strings.ReplaceAll(strings.TrimSpace(java), "\n", " -D")}
		}
		args := append(strings.Fields(c.args), "ls", "/")
		code := cli.Main(args, stdio)
		if c.says == "" && (code != 0 || !strings.HasSuffix(out.String(), "[zookeeper]\n")) || c.says != "" && (code != 1 || !strings.Contains(errs.String(), c.says)) {
			t.Errorf("%s: %d %s %s", c.args, code, out.String(), errs.String())
		}
	}
}
