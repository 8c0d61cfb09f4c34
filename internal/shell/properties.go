package shell

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"

	"quokka/client"
)

// addFlags adds the properties among the flags of a Java machine.
func addFlags(p *properties.Properties, flags string) {
	for word := range strings.FieldsSeq(flags) {
		if pair, ok := strings.CutPrefix(word, "-D"); ok {
			key, value, _ := strings.Cut(pair, "=")
			_, _, _ = p.Set(key, value) // it fails only when it expands
		}
	}
}

// addFile adds the properties of a file, in place of those there are.
func addFile(p *properties.Properties, file string) error {
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	more, err := loader.LoadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read the client configuration: %w", err)
	}
	p.Merge(more)
	return nil
}

// applyProperties follows the properties of Java's client (ZKClientConfig,
// ClientX509Util): TLS with keys in PEM form, and jute.maxbuffer. All else
// that Java knows there has no meaning here.
func applyProperties(p *properties.Properties, o *client.Options) error {
	if v := p.GetString("jute.maxbuffer", ""); v != "" {
		n, err := strconv.ParseInt(v, 0, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("jute.maxbuffer=%s: want bytes", v)
		}
		o.MaxReply, o.MaxRequest = int(n), int(n)
	}
	if !strings.EqualFold(strings.TrimSpace(p.GetString("zookeeper.client.secure", "")), "true") {
		return nil
	}
	trust, err := pemStore(p, "trustStore")
	if err != nil {
		return err
	}
	key, err := pemStore(p, "keyStore")
	if err != nil {
		return err
	}
	load := client.TLSFiles(trust, key, key)
	if strings.EqualFold(p.GetString("zookeeper.ssl.hostnameVerification", "true"), "false") {
		load = anyHost(load)
	}
	if _, err := load(); err != nil {
		return err
	}
	o.TLS = load
	return nil
}

// pemStore returns the file of a key store or trust store, "" if there is
// none.
func pemStore(p *properties.Properties, name string) (string, error) {
	location := p.GetString("zookeeper.ssl."+name+".location", "")
	if location == "" {
		return "", nil
	}
	typ := strings.ToUpper(p.GetString("zookeeper.ssl."+name+".type", ""))
	if typ == "" {
		typ = strings.ToUpper(strings.TrimPrefix(filepath.Ext(location), "."))
	}
	if typ != "PEM" {
		return "", fmt.Errorf("zookeeper.ssl.%s.location=%s is of type %s, which only Java reads; convert it to PEM, for example with "+
			"keytool -importkeystore -deststoretype PKCS12 and openssl pkcs12 -nodes, and name that file with the ending .pem", name, location, typ)
	}
	return location, nil
}

// anyHost accepts a certificate of a trusted authority whatever host it is
// for. The chain is still verified.
func anyHost(load func() (*tls.Config, error)) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		cfg.InsecureSkipVerify = true // VerifyConnection does all but the name
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server sent no certificate")
			}
			o := x509.VerifyOptions{Roots: cfg.RootCAs, Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
			for _, c := range state.PeerCertificates[1:] {
				o.Intermediates.AddCert(c)
			}
			_, err := state.PeerCertificates[0].Verify(o)
			return err
		}
		return cfg, nil
	}
}
