// Package render turns what ZooKeeper stores into text and JSON: nodes with
// their data, Stats and ACLs, in zkCli.sh's form and in Quokka's own. The
// shell, exports and offline tools show the same thing the same way because
// they all come here. It does no I/O but to the writer it is given, and knows
// neither a client nor a server.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"quokka/internal/proto"
)

// A Node is a znode as JSON shows it. What is nil is left out.
type Node struct {
	Path string
	Data *Data
	Stat *Stat
	ACL  []ACL
}

// nodeJSON gives the fields of a Node their order and names. Data is text,
// or null where the node has none; bytes that are not UTF-8 are dataBase64.
type nodeJSON struct {
	Path       string          `json:"path,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 []byte          `json:"dataBase64,omitempty"`
	Stat       *Stat           `json:"stat,omitempty"`
	ACL        []ACL           `json:"acl,omitempty"`
}

// MarshalJSON writes path, data or dataBase64, stat and acl.
func (n Node) MarshalJSON() ([]byte, error) {
	out := nodeJSON{Path: n.Path, Stat: n.Stat, ACL: n.ACL}
	switch {
	case n.Data == nil:
	case *n.Data == nil:
		out.Data = json.RawMessage("null")
	case utf8.Valid(*n.Data):
		text, err := marshal(string(*n.Data))
		if err != nil {
			return nil, err
		}
		out.Data = text
	default:
		out.DataBase64 = *n.Data
	}
	return marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Node) UnmarshalJSON(b []byte) error {
	var in nodeJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*n = Node{Path: in.Path, Stat: in.Stat, ACL: in.ACL}
	switch {
	case in.Data != nil && in.DataBase64 != nil:
		return fmt.Errorf("node %s has both data and dataBase64: leave one out", in.Path)
	case in.DataBase64 != nil:
		n.Data = Of(in.DataBase64)
	case string(in.Data) == "null":
		n.Data = Of(nil)
	case in.Data != nil:
		var text string
		if err := json.Unmarshal(in.Data, &text); err != nil {
			return fmt.Errorf("data of node %s: %w", in.Path, err)
		}
		n.Data = Of([]byte(text))
	}
	return nil
}

// Data is a node's data; nil is a node without any, which is not the same as
// empty data to a server.
type Data []byte

// Of returns data as a Node holds it.
func Of(data []byte) *Data {
	d := Data(data)
	return &d
}

// A Stat is a node's metadata under the names ZooKeeper gives its fields.
type Stat struct {
	Czxid          Hex   `json:"czxid"`
	Mzxid          Hex   `json:"mzxid"`
	Pzxid          Hex   `json:"pzxid"`
	Ctime          Time  `json:"ctime"`
	Mtime          Time  `json:"mtime"`
	Version        int32 `json:"version"`
	Cversion       int32 `json:"cversion"`
	Aversion       int32 `json:"aversion"`
	EphemeralOwner Hex   `json:"ephemeralOwner"`
	DataLength     int32 `json:"dataLength"`
	NumChildren    int32 `json:"numChildren"`
}

// StatOf converts a Stat as the protocol and the files have it.
func StatOf(s proto.Stat) Stat {
	return Stat{
		Czxid: Hex(s.Czxid), Mzxid: Hex(s.Mzxid), Pzxid: Hex(s.Pzxid), Ctime: Time(s.Ctime), Mtime: Time(s.Mtime),
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		EphemeralOwner: Hex(s.EphemeralOwner), DataLength: s.DataLength, NumChildren: s.NumChildren,
	}
}

// Text writes the block of lines that zkCli.sh shows for a Stat
// (StatPrinter), with times as Java writes them in the given zone.
func (s Stat) Text(w io.Writer, zone *time.Location) error {
	_, err := fmt.Fprintf(w, "cZxid = %v\nctime = %s\nmZxid = %v\nmtime = %s\npZxid = %v\ncversion = %d\ndataVersion = %d\n"+
		"aclVersion = %d\nephemeralOwner = %v\ndataLength = %d\nnumChildren = %d\n",
		s.Czxid, s.Ctime.Java(zone), s.Mzxid, s.Mtime.Java(zone), s.Pzxid, s.Cversion, s.Version,
		s.Aversion, s.EphemeralOwner, s.DataLength, s.NumChildren)
	return err
}

// A Hex is a zxid or a session id, which people read in hexadecimal.
type Hex int64

func (h Hex) String() string { return "0x" + strconv.FormatUint(uint64(h), 16) }

// MarshalText writes 0x and the digits of the two's complement, as Java does.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hexadecimal digits after 0x.
func (h *Hex) UnmarshalText(b []byte) error {
	digits, ok := strings.CutPrefix(string(b), "0x")
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || !ok {
		return fmt.Errorf("%q is not a number of the form 0x1a", b)
	}
	*h = Hex(v)
	return nil
}

// A Time is a moment in milliseconds since 1970, as nodes have it.
type Time int64

// MarshalText writes RFC 3339 with milliseconds in UTC.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z07:00")), nil
}

// UnmarshalText reads RFC 3339.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("%q is not a time of the form 2006-01-02T15:04:05.000Z", b)
	}
	*t = Time(v.UnixMilli())
	return nil
}

// Java returns the form of java.util.Date, such as
// "Sun Nov 22 14:49:28 UTC 2026".
func (t Time) Java(zone *time.Location) string {
	return time.UnixMilli(int64(t)).In(zone).Format("Mon Jan 02 15:04:05 MST 2006")
}

// An ACL is one entry of an access control list.
type ACL struct {
	Perms  string `json:"perms"` // letters of cdrwa
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

// String returns scheme:id:perms, as commands take it.
func (a ACL) String() string { return a.Scheme + ":" + a.ID + ":" + a.Perms }

// ACLText writes a list as zkCli.sh does: the text of a Java Id ends with a
// newline, so each entry takes two lines.
func ACLText(w io.Writer, list []ACL) error {
	for _, a := range list {
		if _, err := fmt.Fprintf(w, "'%s,'%s\n: %s\n", a.Scheme, a.ID, a.Perms); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes a value and a newline: on one line, or indented for readers.
func JSON(w io.Writer, v any, indent bool) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	if indent {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, b, "", "  "); err != nil {
			return err
		}
		b = pretty.Bytes()
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// marshal leaves < > & as they are, which are common in data.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
