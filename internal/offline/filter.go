package offline

import (
	"slices"
	"strings"
	"time"

	"quokka/internal/proto"
)

// A Filter chooses transactions. The zero value chooses all.
type Filter struct {
	From, To     proto.Zxid      // 0 is no limit
	Session      proto.SessionID // 0 is any
	Path         *Pattern        // nil is any; a multi is chosen if any part of it is
	Types        []string        // as the operations are called; none is any
	Since, Until time.Time       // zero is no limit
	Errors       bool            // only refused requests
}

// Any tells whether the filter leaves something out.
func (f *Filter) Any() bool {
	return f.From != 0 || f.To != 0 || f.Session != 0 || f.Path != nil || len(f.Types) > 0 || f.Errors ||
		!f.Since.IsZero() || !f.Until.IsZero()
}

// Match tells whether a transaction is chosen.
func (f *Filter) Match(t *proto.Txn) bool {
	at := instant(t.Time)
	switch {
	case t.Zxid < f.From || f.To != 0 && t.Zxid > f.To,
		f.Session != 0 && t.Session != f.Session,
		!f.Since.IsZero() && at.Before(f.Since),
		!f.Until.IsZero() && at.After(f.Until),
		f.Errors && !failed(t),
		len(f.Types) > 0 && !f.hasType(t):
		return false
	}
	return f.Path == nil || slices.ContainsFunc(pathsOf(t), f.Path.Match)
}

// matchHeader is Match for a record that cannot be decoded further.
func (f *Filter) matchHeader(h *proto.TxnHeader) bool {
	g := *f
	g.Path, g.Errors, g.Types = nil, false, nil
	return g.Match(&proto.Txn{TxnHeader: *h})
}

func (f *Filter) hasType(t *proto.Txn) bool {
	is := func(op proto.Op) bool {
		return slices.ContainsFunc(f.Types, func(s string) bool { return strings.EqualFold(s, op.String()) })
	}
	if m, ok := t.Body.(*proto.MultiTxn); ok {
		return is(t.Op) || slices.ContainsFunc(m.Parts, func(p proto.MultiPart) bool { return is(p.Op) })
	}
	return is(t.Op)
}

// failed tells whether a transaction records a refusal.
func failed(t *proto.Txn) bool {
	if m, ok := t.Body.(*proto.MultiTxn); ok {
		return slices.ContainsFunc(m.Parts, func(p proto.MultiPart) bool { return p.Op == proto.OpError })
	}
	return t.Op == proto.OpError
}

// pathsOf lists the paths that a transaction names.
func pathsOf(t *proto.Txn) []string {
	if m, ok := t.Body.(*proto.MultiTxn); ok {
		var all []string
		for _, p := range m.Parts {
			all = append(all, bodyPaths(p.Body)...)
		}
		return all
	}
	return bodyPaths(t.Body)
}

func bodyPaths(body proto.TxnBody) []string {
	switch b := body.(type) {
	case *proto.CreateTxn:
		return []string{b.Path}
	case *proto.CreateContainerTxn:
		return []string{b.Path}
	case *proto.CreateTTLTxn:
		return []string{b.Path}
	case *proto.DeleteTxn:
		return []string{b.Path}
	case *proto.SetDataTxn:
		return []string{b.Path}
	case *proto.SetACLTxn:
		return []string{b.Path}
	case *proto.CheckVersionTxn:
		return []string{b.Path}
	case *proto.CloseSessionTxn:
		return b.Paths
	}
	return nil
}

// TxnTypes lists the names of the operations that a log can have.
func TxnTypes() []string {
	return []string{
		"create", "create2", "createContainer", "createTTL", "delete", "deleteContainer", "setData", "setACL", "check", "multi",
		"reconfig", "createSession", "closeSession", "error",
	}
}
