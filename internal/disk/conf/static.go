package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"quokka/internal/core/quorum"
)

const pointer = "dynamicConfigFile"

// rewrite returns the text of zoo.cfg without what a dynamic file says, and
// with the name of that file; and whether it named one before. All other
// lines stay as they are: Java writes them anew in the order of a hash table,
// without comments and with backslashes lost. Java also drops
// clientPortListenBacklog together with clientPort.
func rewrite(old, dynamic string, self quorum.Server) (text string, pointed bool, err error) {
	old = strings.TrimPrefix(old, "\ufeff") // to Java it is part of the first key
	properties, err := quorum.Properties(old)
	if err != nil {
		return "", false, err
	}
	var b strings.Builder
	var kept []quorum.Property
	at := 0
	for _, p := range properties {
		pointed = pointed || p.Key == pointer
		if !isDynamic(p.Key, self) {
			kept = append(kept, p)
			continue
		}
		b.WriteString(old[at:p.Begin])
		at = p.End
	}
	b.WriteString(old[at:])
	text, err = appendLine(b.String(), pointer, dynamic, kept)
	return text, pointed, err
}

// isDynamic reports whether a key of zoo.cfg says what a dynamic file says.
// Java refuses to start on one that begins with group or weight, whatever
// follows.
func isDynamic(key string, self quorum.Server) bool {
	switch key {
	case pointer, "peerType":
		return true
	case "clientPort", "clientPortAddress":
		return self.Client.IsSet()
	case "secureClientPort", "secureClientPortAddress":
		return self.Secure.IsSet()
	}
	return slices.ContainsFunc([]string{"server.", "group", "weight"}, func(p string) bool { return strings.HasPrefix(key, p) })
}

// appendLine appends a line to a text that has the properties kept. A last
// line that lacks its end, or goes on in a line that is not there, is ended
// first.
func appendLine(text, key, value string, kept []quorum.Property) (string, error) {
	for _, end := range []string{"", "\n", "\n\n"} {
		if text == "" && end != "" || text != "" && end == "" && !strings.HasSuffix(text, "\n") {
			continue
		}
		longer := text + end + key + "=" + escape(value) + "\n"
		if holds(longer, append(slices.Clone(kept), quorum.Property{Key: key, Value: value})) {
			return longer, nil
		}
	}
	return "", errors.New("its lines cannot be kept apart from the server lines; move the server lines into a file that dynamicConfigFile names")
}

// holds reports whether a text has exactly these properties.
func holds(text string, want []quorum.Property) bool {
	got, err := quorum.Properties(text)
	return err == nil && slices.EqualFunc(got, want, func(a, b quorum.Property) bool { return a.Key == b.Key && a.Value == b.Value })
}

// escape writes a value so that Properties.load gives it back from a file of
// ISO-8859-1.
func escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
