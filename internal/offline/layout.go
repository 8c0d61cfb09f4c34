package offline

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"quokka/internal/proto"
	"quokka/internal/render"
)

// javaDate is DateFormat.getDateTimeInstance(SHORT, LONG) in English, which
// TxnLogToolkit prints.
const javaDate = "1/2/06, 3:04:05 PM MST"

// A layout is how text is laid out: as Java does it, or on one line for each
// transaction.
type layout struct{ oneLine bool }

// txn is a transaction as TxnLogToolkit.printTxn of 3.9 prints it, without
// the newline at the end. A list of ACLs has a newline behind each entry there.
// Control characters, which Java lets through to the terminal, are written
// like \x1b.
func (l layout) txn(t *proto.Txn) string {
	return headText(&t.TxnHeader) + " " + strings.TrimSuffix(l.body(t.Body), "\n")
}

func headText(h *proto.TxnHeader) string {
	return fmt.Sprintf("%s session 0x%x cxid 0x%x zxid 0x%x %s",
		instant(h.Time).Format(javaDate), uint64(h.Session), uint64(int64(h.Cxid)), uint64(h.Zxid), h.Op)
}

// body is what TxnLogToolkit.getFormattedTxnStr returns: the fields by
// commas for those records that hold data, else as Jute's records print
// themselves (CsvOutputArchive).
func (l layout) body(body proto.TxnBody) string {
	switch b := body.(type) {
	case *proto.CreateTxn:
		return fmt.Sprintf("%s,%s,%s,%t,%d", l.text(b.Path), l.text(render.Text(b.Data)), l.acl(b.ACL), b.Ephemeral, b.ParentCversion)
	case *proto.CreateContainerTxn:
		return fmt.Sprintf("%s,%s,%s,%d", l.text(b.Path), l.text(render.Text(b.Data)), l.acl(b.ACL), b.ParentCversion)
	case *proto.CreateTTLTxn:
		return fmt.Sprintf("%s,%s,%s,%d,%d", l.text(b.Path), l.text(render.Text(b.Data)), l.acl(b.ACL), b.ParentCversion, b.TTL)
	case *proto.SetDataTxn:
		return fmt.Sprintf("%s,%s,%d", l.text(b.Path), l.text(render.Text(b.Data)), b.Version)
	case *proto.DeleteTxn:
		return l.text(b.Path)
	case *proto.CheckVersionTxn:
		return fmt.Sprintf("%s,%d", l.text(b.Path), b.Version)
	case *proto.SetACLTxn:
		return fmt.Sprintf("%s,v{%s},%d\n", csvString(b.Path), csvACLs(b.ACL), b.Version)
	case *proto.CreateSessionTxn:
		return strconv.Itoa(int(b.TimeoutMS)) + "\n"
	case *proto.ErrorTxn:
		return strconv.Itoa(int(b.Err)) + "\n"
	case *proto.CloseSessionTxn:
		quoted := make([]string, len(b.Paths))
		for i, p := range b.Paths {
			quoted[i] = csvString(p)
		}
		return "v{" + strings.Join(quoted, ",") + "}\n"
	case *proto.MultiTxn:
		return l.multi(b)
	}
	return ""
}

func (l layout) multi(m *proto.MultiTxn) string {
	parts := make([]string, len(m.Parts))
	for i, p := range m.Parts {
		parts[i] = p.Op.String() + ":" + strings.TrimSuffix(l.body(p.Body), "\n")
	}
	return strings.Join(parts, ";")
}

// acl is how a Java list of ACLs prints itself.
func (l layout) acl(list []proto.ACL) string {
	if list == nil {
		return "null"
	}
	end := "\n"
	if l.oneLine {
		end = ""
	}
	entries := make([]string, len(list))
	for i, a := range list {
		entries[i] = fmt.Sprintf("%d,s{%s,%s}%s", a.Perms, csvString(a.ID.Scheme), csvString(a.ID.ID), end)
	}
	return "[" + strings.Join(entries, ", ") + "]"
}

func csvACLs(list []proto.ACL) string {
	entries := make([]string, len(list))
	for i, a := range list {
		entries[i] = fmt.Sprintf("s{%d,s{%s,%s}}", a.Perms, csvString(a.ID.Scheme), csvString(a.ID.ID))
	}
	return strings.Join(entries, ",")
}

// csvString is a string in Jute's comma-separated form (Utils.toCSVString).
func csvString(s string) string { return "'" + render.Printable(csvEscapes.Replace(s)) }

var csvEscapes = strings.NewReplacer("\x00", "%00", "\n", "%0A", "\r", "%0D", ",", "%2C", "}", "%7D", "%", "%25")

// text is a path or data, which may hold anything.
func (l layout) text(s string) string {
	s = render.Printable(s)
	if l.oneLine {
		s = strings.ReplaceAll(s, "\n", `\n`)
	}
	return s
}

// rawText is a record that cannot be understood.
func rawText(h *proto.TxnHeader, payload []byte, err error) string {
	return fmt.Sprintf("%s cannot be understood (%v): #%s", headText(h), err, hex.EncodeToString(payload))
}
