package proto

import (
	"bytes"
	"reflect"
	"testing"
)

func TestConnectRecords(t *testing.T) {
	// As captured from clients: 44 bytes without the read-only byte, 45 with.
	old := unhex(t, "00000000 0000000000000000 00002710 0000000000000000 00000010 00000000000000000000000000000000")
	r, err := DecodeConnectRequest(old)
	if err != nil || r.HasReadOnly || r.TimeoutMS != 10000 || len(r.Password) != PasswordLen {
		t.Errorf("without the byte: %+v, %v", r, err)
	}
	r, err = DecodeConnectRequest(append(old, 1))
	if err != nil || !r.HasReadOnly || !r.ReadOnly {
		t.Errorf("with the byte: %+v, %v", r, err)
	}
	if _, err := DecodeConnectRequest(old[:20]); err == nil {
		t.Error("a torn request was accepted")
	}
	resp := ConnectResponse{TimeoutMS: 6000, SessionID: 7, Password: make([]byte, PasswordLen)}
	if n := len(AppendConnectResponse(nil, &resp)); n != 36 {
		t.Errorf("response without the byte has %d bytes", n)
	}
	resp.HasReadOnly = true
	b := AppendConnectResponse(nil, &resp)
	if got, err := DecodeConnectResponse(b); len(b) != 37 || err != nil || !reflect.DeepEqual(got, resp) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecodeMulti(t *testing.T) {
	b := AppendMultiHeader(nil, MultiHeader{Op: OpDelete, Err: -1})
	b = AppendPathVersion(b, PathVersion{"/a", -1})
	b = AppendMultiHeader(b, MultiHeader{Op: OpSetData, Err: -1})
	b = AppendSetDataRequest(b, &SetDataRequest{Path: "/b", Data: []byte("x"), Version: 3})
	b = AppendMultiHeader(b, MultiEnd)
	parts, err := DecodeMulti(b, OpMulti)
	if err != nil || len(parts) != 2 || parts[0].Op != OpDelete || parts[1].Op != OpSetData {
		t.Fatalf("%v, %v", parts, err)
	}
	if _, err := DecodeMulti(b, OpMultiRead); err == nil {
		t.Error("writes inside a multiRead were accepted")
	}
	if _, err := DecodeMulti(b[:len(b)-9], OpMulti); err == nil {
		t.Error("a multi without an end was accepted")
	}
	for name, bad := range map[string][]byte{
		"read":   AppendPathWatch(AppendMultiHeader(nil, MultiHeader{Op: OpGetData, Err: -1}), "/a", false),
		"flag 7": AppendCreateRequest(AppendMultiHeader(nil, MultiHeader{Op: OpCreate, Err: -1}), OpCreate, &CreateRequest{Path: "/a", Flags: 7}),
		"sync":   AppendMultiHeader(nil, MultiHeader{Op: OpSync, Err: -1}),
	} {
		if _, err := DecodeMulti(AppendMultiHeader(bad, MultiEnd), OpMulti); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if parts, err := DecodeMulti(AppendMultiHeader(nil, MultiEnd), OpMulti); err != nil || len(parts) != 0 {
		t.Errorf("an empty multi: %v, %v", parts, err)
	}
}

func FuzzDecodeConnect(f *testing.F) {
	f.Add(make([]byte, 44))
	f.Add(make([]byte, 45))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := DecodeConnectRequest(in)
		if err == nil && !r.ReadOnly {
			if out := AppendConnectRequest(nil, &r); !bytes.HasPrefix(in, out) {
				t.Fatalf("%x decoded and encoded is %x", in, out)
			}
		}
		if r, err := DecodeConnectResponse(in); err == nil && !r.ReadOnly {
			if out := AppendConnectResponse(nil, &r); !bytes.HasPrefix(in, out) {
				t.Fatalf("%x decoded and encoded is %x", in, out)
			}
		}
	})
}
