package proto

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bytes were captured from a Java 3.8.0 ensemble.
var captured = map[string]string{
	"createSession": "0100000f63690000 00000000 0000000100000001 000001a203b9b161 fffffff6 00001f40 00000002 0000000051c6d660",
	"create": "0100000f63690000 00000001 0000000100000002 000001a203b9b173 00000001 00000002 2f6b 00000005 68656c6c6f" +
		" 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001 00000002 00000001545eafae",
	"ephemeral": "0100000f63690000 00000002 0000000100000003 000001a203b9b17c 00000001 00000004 2f6b2f65 00000000" +
		" 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 01 00000001 00000002 000000024049070f",
	"setData": "0100000f63690000 00000003 0000000100000004 000001a203b9b180 00000005 00000002 2f6b 00000002 7632 00000001 00000002 00000002dd358e05",
	"error":   "0100000f63690000 00000004 0000000100000005 000001a203b9b185 ffffffff ffffff99",
	"moved":   "0100000f63690000 00000007 0000000100000008 000001a203b9b785 ffffffff ffffff8a",
}

func TestCapturedTxns(t *testing.T) {
	for name, s := range captured {
		in := unhex(t, s)
		txn, err := DecodeTxn(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if out := txn.AppendTo(nil); !bytes.Equal(in, out) {
			t.Errorf("%s:\n in %x\nout %x", name, in, out)
		}
	}
	txn, _ := DecodeTxn(unhex(t, captured["error"]))
	if txn.HasDigest || txn.Body.(*ErrorTxn).Err != BadVersion {
		t.Errorf("error txn: %+v", txn)
	}
	txn, _ = DecodeTxn(unhex(t, captured["ephemeral"]))
	if c := txn.Body.(*CreateTxn); !c.Ephemeral || c.Data == nil || len(c.Data) != 0 || txn.Digest != 0x24049070f {
		t.Errorf("ephemeral create: %+v", c)
	}
}

func TestTxnRoundTrip(t *testing.T) {
	acl := []ACL{{Perms: PermAll, ID: ID{"world", "anyone"}}}
	for _, want := range []*Txn{
		{TxnHeader: TxnHeader{Op: OpCloseSession}},
		{TxnHeader: TxnHeader{Op: OpCloseSession}, Body: &CloseSessionTxn{Paths: []string{"/a", "/b"}}, HasDigest: true, DigestVersion: 2, Digest: 1 << 63},
		{TxnHeader: TxnHeader{Op: OpCreateTTL, Zxid: 7}, Body: &CreateTTLTxn{Path: "/t", ACL: acl, TTL: 5}},
		{TxnHeader: TxnHeader{Op: OpCreateContainer}, Body: &CreateContainerTxn{Path: "/c", Data: []byte("x"), ACL: acl, ParentCversion: 3}},
		{TxnHeader: TxnHeader{Op: OpSetACL}, Body: &SetACLTxn{Path: "/c", ACL: acl, Version: 2}},
		{TxnHeader: TxnHeader{Op: OpMulti}, Body: &MultiTxn{Parts: []MultiPart{
			{OpCreate2, &CreateTxn{Path: "/m", ACL: acl}}, {OpDelete, &DeleteTxn{"/n"}},
			{OpCheck, &CheckVersionTxn{"/o", 4}}, {OpError, &ErrorTxn{RuntimeInconsistency}},
		}}, HasDigest: true, DigestVersion: 2, Digest: 9},
		{TxnHeader: TxnHeader{Op: OpMulti}, Body: &MultiTxn{}},
	} {
		got, err := DecodeTxn(want.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v (%v), want %+v", want.Op, got, err, want)
		}
	}
}

func TestOldCreateHasNoParentCversion(t *testing.T) {
	b := (&Txn{TxnHeader: TxnHeader{Op: OpCreate}, Body: &CreateTxn{Path: "/a", ACL: []ACL{}}}).AppendTo(nil)
	txn, err := DecodeTxn(b[:len(b)-4])
	if err != nil || txn.Body.(*CreateTxn).ParentCversion != -1 {
		t.Errorf("CreateTxnV0: %+v, %v", txn, err)
	}
}

func TestUnknownTxnIsRefused(t *testing.T) {
	b := (&Txn{TxnHeader: TxnHeader{Op: 99}}).AppendTo(nil)
	if _, err := DecodeTxn(b); err == nil || !strings.Contains(err.Error(), "type=99") {
		t.Errorf("err = %v", err)
	}
}

func FuzzDecodeTxn(f *testing.F) {
	for _, s := range captured {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		txn, err := DecodeTxn(in)
		if err != nil {
			return
		}
		again, err := DecodeTxn(txn.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(again.AppendTo(nil), txn.AppendTo(nil)) {
			t.Fatalf("not stable: %x: %v", in, err)
		}
	})
}

func FuzzDecodeMulti(f *testing.F) {
	b := AppendMultiHeader(nil, MultiHeader{Op: OpDelete, Err: -1})
	b = AppendPathVersion(b, PathVersion{"/a", -1})
	f.Add(AppendMultiHeader(b, MultiEnd), false)
	f.Fuzz(func(t *testing.T, in []byte, read bool) {
		op := OpMulti
		if read {
			op = OpMultiRead
		}
		parts, err := DecodeMulti(in, op)
		if err == nil && len(parts)*9 > len(in) {
			t.Fatalf("%d parts in %d bytes", len(parts), len(in))
		}
	})
}
