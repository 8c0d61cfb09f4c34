package offline

import (
	"regexp"
	"strings"
)

// A Pattern chooses paths. Without wildcards it is a node and all below it. With
// any it must fit the whole path: * stands for a part of one name, ? for one
// character of it, ** for any number of names.
type Pattern struct {
	prefix string
	whole  *regexp.Regexp // nil without wildcards
}

// NewPattern reads a pattern.
func NewPattern(s string) *Pattern {
	if !strings.ContainsAny(s, "*?") {
		return &Pattern{prefix: strings.TrimRight(s, "/")}
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(s); {
		switch rest := s[i:]; {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i += 2
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			i++
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			i++
		default:
			n := strings.IndexAny(rest, "*?")
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			i += n
		}
	}
	b.WriteString(`\z`)
	return &Pattern{whole: regexp.MustCompile(strings.ToValidUTF8(b.String(), "\ufffd"))}
}

// Match tells whether a path is chosen.
func (p *Pattern) Match(path string) bool {
	if p.whole != nil {
		return p.whole.MatchString(path)
	}
	rest, ok := strings.CutPrefix(path, p.prefix)
	return ok && (rest == "" || rest[0] == '/')
}
