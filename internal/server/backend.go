package server

import (
	"io"
	"slices"
	"time"

	"quokka/internal/admin"
	"quokka/internal/auth"
	"quokka/internal/core/state"
	"quokka/internal/net/clients"
	"quokka/internal/node"
	"quokka/internal/proto"
)

// backend plugs the node into the client port.
type backend struct {
	node    *node.Node
	schemes *auth.Registry
}

func (b *backend) Classify(op proto.Op) clients.Class {
	switch kind := node.Classify(op); {
	case op == proto.OpAuth:
		return clients.Auth
	case op == proto.OpSASL:
		return clients.SASL
	case op == proto.OpPing, kind == state.Read:
		return clients.Read
	case op == proto.OpCloseSession:
		return clients.Close
	case kind == state.Write, kind == state.Sync:
		return clients.Ordered
	}
	return clients.Refused
}

func (b *backend) Connect(c *clients.Conn, r proto.ConnectRequest) {
	c.SetAuth(b.schemes.PeerIDs(c.Remote().Addr()))
	b.node.Connect(c, r)
}

func (b *backend) Submit(c *clients.Conn, xid int32, op proto.Op, body []byte, at time.Time) {
	b.node.Submit(c, xid, op, body, at)
}

func (b *backend) Read(c *clients.Conn, xid int32, op proto.Op, body []byte, at time.Time) {
	b.node.Read(c, xid, op, body, at)
}

// Authenticate adds the identities that data proves to the connection's.
func (b *backend) Authenticate(c *clients.Conn, scheme string, data []byte) error {
	ids, err := b.schemes.Authenticate(scheme, data, c.Remote().Addr())
	if err != nil {
		return err
	}
	all := slices.Clone(c.Auth())
	for _, id := range ids {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	b.node.SetAuth(c, all)
	return nil
}

func (b *backend) Gone(c *clients.Conn) { b.node.Gone(c) }

// words plugs the four-letter words into the client port.
type words struct{ *admin.Words }

func (w *words) Answer(out io.Writer, word string, arg []byte, _ *clients.Conn) error {
	return w.Words.Answer(word, arg, out)
}
