package offline

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// txnJSON is a record of a log as one JSON object.
type txnJSON struct {
	File    string      `json:"file"`
	Offset  int64       `json:"offset"`
	Zxid    render.Hex  `json:"zxid"`
	Session render.Hex  `json:"session"`
	Cxid    int32       `json:"cxid"`
	Time    render.Time `json:"time"`
	bodyJSON
	DigestVersion *int32      `json:"digestVersion,omitempty"`
	Digest        *render.Hex `json:"digest,omitempty"` // of the tree after it
	Problem       string      `json:"problem,omitempty"`
	Payload       []byte      `json:"payloadBase64,omitempty"` // of a record that cannot be decoded
}

// bodyJSON is a transaction, or a part of a multi. What a type has not is left
// out. Data is text, or null; bytes that are not UTF-8 are dataBase64.
type bodyJSON struct {
	Type           string          `json:"type"`
	Path           string          `json:"path,omitempty"`
	Data           json.RawMessage `json:"data,omitempty"`
	DataBase64     []byte          `json:"dataBase64,omitempty"`
	ACL            []render.ACL    `json:"acl,omitempty"`
	Ephemeral      *bool           `json:"ephemeral,omitempty"`
	ParentCversion *int32          `json:"parentCversion,omitempty"`
	TTL            *int64          `json:"ttlMS,omitempty"`
	Version        *int32          `json:"version,omitempty"`
	Timeout        *int32          `json:"timeoutMS,omitempty"`
	Paths          *[]string       `json:"paths,omitempty"`
	Code           *int32          `json:"code,omitempty"`
	Error          string          `json:"error,omitempty"`
	Txns           *[]bodyJSON     `json:"txns,omitempty"`
}

func jsonOf(rec txnlog.Record, t *proto.Txn) txnJSON {
	j := jsonHead(rec, &t.TxnHeader)
	j.bodyJSON = jsonBody(t.Op, t.Body)
	if t.HasDigest {
		digest := render.Hex(t.Digest)
		j.DigestVersion, j.Digest = &t.DigestVersion, &digest
	}
	return j
}

func jsonHead(rec txnlog.Record, h *proto.TxnHeader) txnJSON {
	return txnJSON{
		File: rec.File, Offset: rec.Offset, Zxid: render.Hex(h.Zxid), Session: render.Hex(h.Session), Cxid: h.Cxid,
		Time: safeTime(h.Time), bodyJSON: bodyJSON{Type: h.Op.String()},
	}
}

// safeTime is a time that JSON readers understand, whatever is on the disk.
func safeTime(ms proto.Millis) render.Time { return render.Time(instant(ms).UnixMilli()) }

func jsonBody(op proto.Op, body proto.TxnBody) bodyJSON {
	j := bodyJSON{Type: op.String()}
	switch b := body.(type) {
	case *proto.CreateTxn:
		j.Path, j.ACL, j.Ephemeral, j.ParentCversion = b.Path, aclsOf(b.ACL), &b.Ephemeral, &b.ParentCversion
		j.Data, j.DataBase64 = jsonData(b.Data)
	case *proto.CreateContainerTxn:
		j.Path, j.ACL, j.ParentCversion = b.Path, aclsOf(b.ACL), &b.ParentCversion
		j.Data, j.DataBase64 = jsonData(b.Data)
	case *proto.CreateTTLTxn:
		j.Path, j.ACL, j.ParentCversion, j.TTL = b.Path, aclsOf(b.ACL), &b.ParentCversion, &b.TTL
		j.Data, j.DataBase64 = jsonData(b.Data)
	case *proto.DeleteTxn:
		j.Path = b.Path
	case *proto.SetDataTxn:
		j.Path, j.Version = b.Path, &b.Version
		j.Data, j.DataBase64 = jsonData(b.Data)
	case *proto.SetACLTxn:
		j.Path, j.ACL, j.Version = b.Path, aclsOf(b.ACL), &b.Version
	case *proto.CheckVersionTxn:
		j.Path, j.Version = b.Path, &b.Version
	case *proto.CreateSessionTxn:
		j.Timeout = &b.TimeoutMS
	case *proto.CloseSessionTxn:
		paths := append([]string{}, b.Paths...)
		j.Paths = &paths
	case *proto.ErrorTxn:
		code := int32(b.Err)
		j.Code, j.Error = &code, b.Err.String()
	case *proto.MultiTxn:
		parts := make([]bodyJSON, len(b.Parts))
		for i, p := range b.Parts {
			parts[i] = jsonBody(p.Op, p.Body)
		}
		j.Txns = &parts
	}
	return j
}

// jsonData is data as render.Node has it.
func jsonData(data []byte) (text json.RawMessage, base64 []byte) {
	if data != nil && !utf8.Valid(data) {
		return nil, data
	}
	if data == nil {
		return json.RawMessage("null"), nil
	}
	var b strings.Builder
	if err := render.JSON(&b, string(data), false); err != nil {
		return nil, data
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n")), nil
}

// aclsOf is a list as JSON shows it.
func aclsOf(list []proto.ACL) []render.ACL {
	var out []render.ACL
	for _, a := range list {
		out = append(out, render.ACL{Perms: permLetters(a.Perms), Scheme: a.ID.Scheme, ID: a.ID.ID})
	}
	return out
}

// permLetters are the letters of zkCli.sh in its order.
func permLetters(perms int32) string {
	var b strings.Builder
	for _, p := range []struct {
		bit    int32
		letter byte
	}{
		{proto.PermCreate, 'c'}, {proto.PermDelete, 'd'}, {proto.PermRead, 'r'}, {proto.PermWrite, 'w'}, {proto.PermAdmin, 'a'},
	} {
		if perms&p.bit != 0 {
			b.WriteByte(p.letter)
		}
	}
	return b.String()
}
