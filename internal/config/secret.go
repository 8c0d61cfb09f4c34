package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "(redacted)"

// Secret is a text that never shows itself: not in fmt, slog, JSON or any other encoder. The type, not the name of a
// key, is what keeps it hidden (ZooKeeper's list of names forgot some, CVE-2026-24308). The text lies behind a pointer,
// because fmt does not call methods on unexported fields and would print a plain string there.
type Secret struct{ text *string }

// NewSecret hides s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the hidden text. Only the code that compares or uses the secret may call it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a text to hide.
func (s Secret) IsSet() bool { return s.text != nil }

// String returns a fixed text, or an empty one for the zero Secret.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return redacted
}

// Format writes String for every verb, so that not even a wrong verb shows the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and most other encoders use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
