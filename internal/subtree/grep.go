package subtree

import (
	"bytes"
	"regexp"
)

// A Pattern is searched for in data, line by line.
type Pattern struct {
	re     *regexp.Regexp
	invert bool
}

// NewPattern compiles a pattern: a regular expression, or a text as it is if
// fixed.
func NewPattern(text string, fixed, ignoreCase, invert bool) (*Pattern, error) {
	if fixed {
		text = regexp.QuoteMeta(text)
	}
	if ignoreCase {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &Pattern{re: re, invert: invert}, nil
}

// A Line is a line of data that matches, or one near such a line.
type Line struct {
	Number int // from 1
	Text   string
	Match  bool    // false: it is context
	Spans  [][]int // where the pattern was found, as begin and end in bytes
}

// Grep searches data. Text yields lines, with that many lines of context on
// both sides; binary data that matches as a whole yields no lines.
func (p *Pattern) Grep(data []byte, context int) (lines []Line, found bool) {
	if !Readable(data) {
		return nil, p.re.Match(data) != p.invert
	}
	all := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(data) == 0 {
		all = nil
	}
	shown := 0 // lines before this one are shown or passed over for good
	after := 0 // lines of context still to come
	for i, text := range all {
		if p.re.Match(text) == p.invert {
			if after > 0 {
				lines = append(lines, Line{Number: i + 1, Text: string(text)})
				shown, after = i+1, after-1
			}
			continue
		}
		found = true
		for j := max(shown, i-context); j < i; j++ {
			lines = append(lines, Line{Number: j + 1, Text: string(all[j])})
		}
		line := Line{Number: i + 1, Text: string(text), Match: true}
		if !p.invert {
			line.Spans = p.re.FindAllIndex(text, -1)
		}
		lines = append(lines, line)
		shown, after = i+1, context
	}
	return lines, found
}
