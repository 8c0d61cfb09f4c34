package state

import (
	"encoding/hex"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/proto"
)

// TestCapturedSequence prepares what a Java 3.8.0 leader was seen to propose,
// byte for byte, all of it before anything is applied.
func TestCapturedSequence(t *testing.T) {
	const sid = proto.SessionID(0x0100000f63690000)
	steps := []struct {
		r    Request
		now  proto.Millis
		want string
	}{
		{Request{Op: proto.OpCreateSession, TimeoutMS: 8000}, 0x1a203b9b161,
			"0100000f63690000 00000000 0000000100000001 000001a203b9b161 fffffff6 00001f40 00000002 0000000051c6d660"},
		{Request{Cxid: 1, Op: proto.OpCreate, Body: create("/k", "hello", 0)}, 0x1a203b9b173,
			"0100000f63690000 00000001 0000000100000002 000001a203b9b173 00000001 00000002 2f6b 00000005 68656c6c6f 00000001" +
				" 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001 00000002 00000001545eafae"},
		{Request{Cxid: 2, Op: proto.OpCreate, Body: create("/k/e", "", proto.FlagEphemeral)}, 0x1a203b9b17c,
			"0100000f63690000 00000002 0000000100000003 000001a203b9b17c 00000001 00000004 2f6b2f65 00000000 00000001" +
				" 0000001f 00000005 776f726c64 00000006 616e796f6e65 01 00000001 00000002 000000024049070f"},
		{Request{Cxid: 3, Op: proto.OpSetData, Body: setData("/k", "v2", -1)}, 0x1a203b9b180,
			"0100000f63690000 00000003 0000000100000004 000001a203b9b180 00000005 00000002 2f6b 00000002 7632 00000001 00000002 00000002dd358e05"},
		{Request{Cxid: 4, Op: proto.OpSetData, Body: setData("/k", "v3", 9)}, 0x1a203b9b185,
			"0100000f63690000 00000004 0000000100000005 000001a203b9b185 ffffffff ffffff99"},
		{Request{Cxid: 7, Op: proto.OpSetData, Body: setData("/k", "v3", 9), SessionErr: proto.SessionMoved}, 0x1a203b9b785,
			"0100000f63690000 00000007 0000000100000006 000001a203b9b785 ffffffff ffffff8a"},
	}
	s := New(options(), tree.New(tree.Options{}), session.NewTable(), 0)
	zxid := proto.MakeZxid(1, 0)
	var txns []*proto.Txn
	for i := range steps {
		step := &steps[i]
		step.r.Session = sid
		zxid++
		txn, _ := s.Prepare(&step.r, zxid, step.now)
		if got, want := hex.EncodeToString(txn.AppendTo(nil)), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Errorf("step %d:\n got %s\nwant %s", i, got, want)
		}
		txns = append(txns, txn)
	}
	other := New(options(), tree.New(tree.Options{}), session.NewTable(), 0)
	for _, txn := range txns {
		if o := s.Apply(txn); o.DigestMismatch {
			t.Errorf("%v: digest %#x", txn.Zxid, o.Digest)
		}
		if !other.Replay(txn) {
			t.Errorf("%v: digest %#x after replay", txn.Zxid, other.Tree().Digest())
		}
	}
	if timeout, ok := other.Sessions().Timeout(sid); !ok || timeout != 8000 || other.LastZxid() != zxid {
		t.Errorf("after replay: timeout %d %v, last %v", timeout, ok, other.LastZxid())
	}
}

func TestDigestMismatchIsReported(t *testing.T) {
	w := newWorld(t, options())
	txn, _ := w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/a", "x", 0)})
	txn.Digest++
	if o := w.s.Apply(txn); !o.DigestMismatch || o.Digest+1 != txn.Digest {
		t.Errorf("outcome %+v", o)
	}
	txn.DigestVersion++
	if o := w.s.Apply(txn); o.DigestMismatch {
		t.Error("a digest of another version was compared")
	}
}
