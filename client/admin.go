package client

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// configPath is the node with the ensemble's configuration, whatever the
// chroot.
const configPath = "/zookeeper/config"

// AddAuth authenticates the session, with scheme digest and "user:password"
// for instance, now and on every later connection. If the server refuses, it
// also closes the connection; the session then goes on without.
func (c *Client) AddAuth(ctx context.Context, scheme string, data []byte) error {
	_, err := do(ctx, c.s, request[nothing]{
		op: proto.OpAuth, body: authBody(Auth{Scheme: scheme, Data: data}), keep: true, decode: empty,
	})
	return err
}

func authBody(a Auth) []byte {
	b := jute.AppendString(jute.AppendInt(nil, 0), a.Scheme)
	return jute.AppendBuffer(b, a.Data)
}

// remember keeps a credential that a server has accepted.
func (s *session) remember(body []byte) {
	d := jute.NewDecoder(body)
	d.Int()
	a := Auth{Scheme: d.String(), Data: slices.Clone(d.Buffer())}
	same := func(b Auth) bool { return b.Scheme == a.Scheme && bytes.Equal(b.Data, a.Data) }
	if !slices.ContainsFunc(s.auths, same) {
		s.auths = append(s.auths, a)
	}
}

// WhoAmI returns who the server takes the session for. It needs ZooKeeper 3.7
// or later.
func (c *Client) WhoAmI(ctx context.Context) ([]Identity, error) {
	return do(ctx, c.s, c.whoAmIRequest())
}

func (c *Client) whoAmIRequest() request[[]Identity] {
	return request[[]Identity]{
		op: proto.OpWhoAmI, read: true,
		decode: fields(func(d *jute.Decoder) []Identity {
			var all []Identity
			for range d.VectorLen(8) {
				all = append(all, Identity{Scheme: d.String(), User: d.String()})
			}
			return all
		}),
	}
}

// GetConfig returns the ensemble's configuration: lines server.N=… and the
// version, which Reconfig may be bound to.
func (c *Client) GetConfig(ctx context.Context) ([]byte, Stat, error) {
	return (&Client{s: c.s}).Get(ctx, configPath)
}

// GetConfigW is GetConfig, and returns a Watch that yields one event: when
// the configuration changes.
func (c *Client) GetConfigW(ctx context.Context) ([]byte, Stat, *Watch, error) {
	return (&Client{s: c.s}).GetW(ctx, configPath)
}

// A Reconfig says how to change the ensemble: either by who joins and leaves,
// or by all Members.
type Reconfig struct {
	Joining []string // lines server.N=host:port:port[:role];port
	Leaving []string // numbers
	Members []string // lines, as for Joining
	// Version is the version the configuration must have, in hexadecimal in
	// its text; -1 for any.
	Version int64
}

// Reconfig changes the ensemble and returns the new configuration. It needs
// reconfigEnabled and the permission to write /zookeeper/config.
func (c *Client) Reconfig(ctx context.Context, r Reconfig) ([]byte, Stat, error) {
	v, err := do(ctx, c.s, r.request())
	return v.Data, v.Stat, err
}

func (r *Reconfig) request() request[Data] {
	var body []byte
	for _, list := range [][]string{r.Joining, r.Leaving, r.Members} {
		if len(list) == 0 {
			body = jute.AppendBuffer(body, nil)
		} else {
			body = jute.AppendString(body, strings.Join(list, ","))
		}
	}
	return request[Data]{
		op: proto.OpReconfig, path: configPath, body: jute.AppendLong(body, r.Version), decode: fields(decodeData),
	}
}
