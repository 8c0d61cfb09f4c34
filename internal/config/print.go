package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
)

// String returns the configuration as a zoo.cfg: Load makes an equal Config of it, but for secrets, which appear in a
// comment as redacted, and for ConfigFile, ServerID and LastSeen, which come from elsewhere.
func (c Config) String() string {
	var b strings.Builder
	for _, l := range c.lines() {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}

// Print writes what String returns, with the meaning of each key as a comment above it.
func (c Config) Print(w io.Writer) error {
	var b strings.Builder
	for _, l := range c.lines() {
		if l.doc != "" {
			fmt.Fprintf(&b, "# %s\n", l.doc)
		}
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	return nil
}

// Hash returns a short name of the configuration: equal exactly if String is. Secrets are not part of it, so that
// nobody can guess them from it.
func (c Config) Hash() string {
	sum := sha256.Sum256([]byte(c.String()))
	return hex.EncodeToString(sum[:8])
}

// Setting is one line of a configuration for programs: the conf command and the administration server.
type Setting struct {
	Key   string
	Value string // redacted for secrets
}

// Settings returns every setting that has a value, in the order of the documentation.
func (c Config) Settings() []Setting {
	var settings []Setting
	for i := range table {
		r := &table[i]
		if text, ok := r.format(&c); ok {
			settings = append(settings, Setting{r.key, text})
		}
	}
	for _, l := range c.Membership.Lines() {
		settings = append(settings, Setting(l))
	}
	return settings
}

type printedLine struct{ doc, text string }

func (c Config) lines() []printedLine {
	defaults := blank()
	var lines []printedLine
	for i := range table {
		r := &table[i]
		text, ok := r.format(&c)
		switch {
		case !ok:
			continue
		case r.kind == kindSecret:
			lines = append(lines, printedLine{r.doc, "# " + r.key + "=" + text})
			continue
		case r.form == bare && r.isDefault(&c, &defaults):
			// In zoo.cfg such a key draws a warning. The default needs none.
			continue
		}
		lines = append(lines, printedLine{r.doc, r.key + "=" + escape(text)})
	}
	comment := ""
	if c.DynamicConfigFile != "" {
		comment = "# "
	}
	for _, s := range c.Membership.Lines() {
		lines = append(lines, printedLine{"", comment + s.Key + "=" + escape(s.Value)})
	}
	return lines
}

func (r *row) isDefault(c, scratch *Config) bool {
	if _, err := r.parse(scratch, r.def); err != nil {
		return false
	}
	return reflect.DeepEqual(r.at(c), r.at(scratch))
}

// format returns the value of the field as zoo.cfg has it, and false if there is no field or it was never set.
func (r *row) format(c *Config) (string, bool) {
	if r.at == nil {
		return "", false
	}
	text := ""
	switch field := r.at(c).(type) {
	case *int:
		if r.def == "" && *field == NotSet {
			return "", false
		}
		text = strconv.Itoa(*field)
	case *int64:
		text = strconv.FormatInt(*field, 10)
		if r.kind == kindInterval {
			text = formatInterval(*field)
		}
	case *bool:
		text = r.formatBool(*field)
	case *float64:
		text = strconv.FormatFloat(*field, 'g', -1, 64)
	case *string:
		text = *field
	case *quorum.Role:
		text = string(*field)
	case *Secret:
		text = field.String()
	case *[]string:
		text = strings.Join(*field, ",")
	case *FourLetterWords:
		text = field.String()
	}
	return text, text != "" || r.def != ""
}

func (r *row) formatBool(b bool) string {
	if r.kind != kindYesNo {
		return strconv.FormatBool(b)
	}
	if b {
		return "yes"
	}
	return "no"
}

// escape writes a value so that Properties.load gives it back: backslashes doubled, everything but printable ASCII as
// \uXXXX.
func escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			// Java has no escape for these but a pair of surrogates, which not every reader joins again.
			b.WriteString(`\ufffd`)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
