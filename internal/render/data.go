package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A View is a way to show data.
type View string

// The views.
const (
	// ViewText is the data as UTF-8, as Java reads it.
	ViewText View = "text"
	// ViewJSON is data that is JSON, with lines and indentation.
	ViewJSON View = "json"
	// ViewHex is offsets, bytes and letters.
	ViewHex View = "hex"
	// ViewBase64 is base64 on one line.
	ViewBase64 View = "base64"
)

// Views are all there are.
var Views = []View{ViewText, ViewJSON, ViewHex, ViewBase64}

// ParseView returns the view of that name.
func ParseView(name string) (View, error) {
	if v := View(name); slices.Contains(Views, v) {
		return v, nil
	}
	return "", fmt.Errorf("there is no view %q: want text, json, hex or base64", name)
}

// Show returns data in a view, without a newline at its end. Nodes without
// data are shown as null, as zkCli.sh does in every view.
func Show(data []byte, v View) (string, error) {
	if data == nil {
		data = []byte("null")
	}
	switch v {
	case ViewJSON:
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", "  "); err != nil {
			return "", fmt.Errorf("the data is not JSON (%w): look at it with another view", err)
		}
		return b.String(), nil
	case ViewHex:
		return HexDump(data), nil
	case ViewBase64:
		return base64.StdEncoding.EncodeToString(data), nil
	}
	return Text(data), nil
}

// Text returns data as Java's new String(data, UTF_8) does: every maximal
// part of what could have become a character is one U+FFFD.
func Text(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	var b strings.Builder
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n <= 1 {
			n = brokenLen(data)
		}
		b.WriteRune(r)
		data = data[n:]
	}
	return b.String()
}

// brokenLen returns how many bytes of a broken character belong together: a
// leading byte with those that could have followed it (Unicode, table 3-7,
// but that Java takes a surrogate for one whole character).
func brokenLen(data []byte) int {
	want, low, high := 0, byte(0x80), byte(0xbf)
	switch c := data[0]; {
	case c >= 0xc2 && c <= 0xdf:
		want = 1
	case c >= 0xe0 && c <= 0xef:
		want = 2
		if c == 0xe0 {
			low = 0xa0
		}
	case c >= 0xf0 && c <= 0xf4:
		want = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= want && n < len(data) && data[n] >= low && data[n] <= high {
		n++
		low, high = 0x80, 0xbf
	}
	return n
}

// Printable returns text whose control characters, but newlines and tabs, are
// written as escapes, so that data cannot command the reader's terminal.
func Printable(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

const dumpRuler = "+--------+-------------------------------------------------+----------------+"

// HexDump returns lines of 16 bytes in the frame that zkCli.sh's get -x draws
// (Netty's pretty dump), and nothing for no data.
func HexDump(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("         +-------------------------------------------------+\n")
	b.WriteString("         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n")
	b.WriteString(dumpRuler)
	offset := 0
	for row := range slices.Chunk(data, 16) {
		letters := slices.Clone(row)
		for i, c := range letters {
			if c <= 0x1f || c >= 0x7f {
				letters[i] = '.'
			}
		}
		fmt.Fprintf(&b, "\n|%08x| %-48s|%-16s|", offset, fmt.Sprintf("% x ", row), letters)
		offset += len(row)
	}
	b.WriteString("\n" + dumpRuler)
	return b.String()
}

// Bytes returns a size for people, in powers of 1024: 17 B, 1.5 KiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 1024 && unit < len("KMGTPE") {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTPE"[unit-1])
}
