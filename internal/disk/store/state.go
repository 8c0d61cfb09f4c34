package store

import (
	"slices"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/proto"
)

// OnState returns a [NewReplayer] for the state machine. out is set to the one
// that was made last, which is the recovered one when [Store.Recover] returns.
func OnState(o state.Options, out **state.State) NewReplayer {
	return func(t *tree.Tree, s *session.Table, last proto.Zxid) Replayer {
		*out = state.New(o, t, s, last)
		return stateReplayer{*out}
	}
}

type stateReplayer struct{ state *state.State }

// Replay implements [Replayer]. Nobody watches a state that is being
// recovered, so Apply has no events to work out.
func (r stateReplayer) Replay(t *proto.Txn) (digestOK bool, err error) {
	o := r.state.Apply(t)
	if o.Err != proto.OK && !refused(t) {
		err = o.Err
	}
	return !o.DigestMismatch, err
}

// refused tells whether a transaction records the refusal of a request: its
// error is then no failure to apply it.
func refused(t *proto.Txn) bool {
	if m, ok := t.Body.(*proto.MultiTxn); ok {
		return slices.ContainsFunc(m.Parts, func(p proto.MultiPart) bool { return p.Op == proto.OpError })
	}
	return t.Op == proto.OpError
}
