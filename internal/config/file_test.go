package config

import (
	"slices"
	"testing"
)

// TestJavaProperties has the answers that java.util.Properties of Java 17 gives, trimmed as QuorumPeerConfig does.
func TestJavaProperties(t *testing.T) {
	text := "a = \\\r\n  20\\\n\t00 \n! x\\\nb 1000\nc:=5\nd\n e\\ f = g\\\\\nh=x\\\n\n#i=1\nj=\\u0041\\q\\=\nk\\\nl=7\rm=8\r\n" +
		"n\\:o\\=p=9\n\f q=1\nr =: 2\ns=t\\"
	want := []setting{
		{"a", "2000", "f", 1}, {"b", "1000", "f", 5}, {"c", "=5", "f", 6}, {"d", "", "f", 7}, {"e f", `g\`, "f", 8}, {"h", "x", "f", 9},
		{"j", "Aq=", "f", 12}, {"kl", "7", "f", 13}, {"m", "8", "f", 15}, {"n:o=p", "9", "f", 16}, {"q", "1", "f", 17},
		{"r", ": 2", "f", 18}, {"s", "t", "f", 19},
	}
	got, notices, errs := parseFile("f", []byte(text))
	if !slices.Equal(got, want) || len(notices) != 0 || len(errs) != 0 {
		t.Errorf("got  %v\nwant %v\n%v %v", got, want, notices, errs)
	}
	got, notices, _ = parseFile("f", []byte("\xef\xbb\xbftickTime=1"))
	if len(got) != 1 || got[0].key != "tickTime" || len(notices) != 1 {
		t.Errorf("byte order mark: %v %v", got, notices)
	}
}
