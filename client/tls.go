package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLSFiles returns an Options.TLS that reads PEM files again for every
// connection: the authorities that sign servers (ca; "" for the system's) and
// our own certificate and key ("" for none).
func TLSFiles(ca, cert, key string) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if ca != "" {
			pem, err := os.ReadFile(ca)
			if err != nil {
				return nil, fmt.Errorf("cannot read the certificate authorities: %w", err)
			}
			cfg.RootCAs = x509.NewCertPool()
			if !cfg.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s holds no certificate in PEM form", ca)
			}
		}
		if cert != "" {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("cannot read our certificate and key: %w", err)
			}
			cfg.Certificates = []tls.Certificate{pair}
		}
		return cfg, nil
	}
}
