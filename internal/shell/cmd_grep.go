package shell

import (
	"fmt"
	"strings"

	"quokka/internal/render"
	"quokka/internal/subtree"
)

var grepCommand = &Command{
	Name: "grep", Group: GroupTrees, Usage: "[-F] [-i] [-v] [-l] [-C lines] pattern [path...]", Summary: "Search the data of a subtree.",
	Details: `The pattern is a regular expression (RE2), with -F a text. Lines are shown as path:number:line, and those around them, with -C,
as path-number-line. Data that is no text is searched as a whole and only its path is told. The exit code is 0 if something was
found, 1 if not, and 2 for an error.`,
	Examples: []string{`grep -i "jdbc:.*prod" /app`, "grep -F -l 10.0.0.7 /  # only the paths", "grep -C 2 timeout /app/config /app/overrides"},
	Flags: []Flag{
		{Name: "F", Doc: "the pattern is a text, not an expression"}, {Name: "i", Doc: "capitals do not matter"},
		{Name: "v", Doc: "lines that do not match"}, {Name: "l", Doc: "only the paths of nodes"},
		{Name: "C", Value: "lines", Doc: "so many lines around each"}, {Name: "a", Doc: "look below /zookeeper too"},
	},
	Args: []Arg{ArgText, ArgPath}, Min: 1, Foreign: true,
	Run: runGrep,
}

func runGrep(c *Call) error {
	p, err := subtree.NewPattern(c.Args[0], c.Has("F"), c.Has("i"), c.Has("v"))
	if err != nil {
		return c.trouble(err)
	}
	around, err := c.Int("C", 0)
	if err != nil || around < 0 {
		return c.trouble(fmt.Errorf("-C %s: want a number of lines", c.Value("C")))
	}
	if err := c.persist(); err != nil {
		return c.trouble(err)
	}
	defer c.buffer()()
	found := false
	for i := 1; i < max(len(c.Args), 2); i++ {
		some, err := c.grep(p, c.Path(i), around)
		if err != nil {
			return c.trouble(err)
		}
		found = found || some
	}
	if !found {
		return exitError{exitFailed}
	}
	return nil
}

// grep searches one subtree.
func (c *Call) grep(p *subtree.Pattern, root string, around int) (found bool, err error) {
	err = c.search(root, subtree.WalkOptions{Data: true, System: c.Has("a")}, func(b *bar, n *subtree.Node) error {
		lines, ok := p.Grep(n.Data, around)
		if !ok || n.Err != nil {
			return nil
		}
		found = true
		b.wipe()
		return c.grepped(subtree.Join(root, n.Path), lines)
	})
	return found, err
}

// grepLine is what was found, as JSON.
type grepLine struct {
	Path   string `json:"path"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"text,omitempty"`
	Around bool   `json:"context,omitempty"`
	Binary bool   `json:"binary,omitempty"`
}

// grepped prints what was found in a node.
func (c *Call) grepped(path string, lines []subtree.Line) error {
	if c.Has("l") {
		return c.Item(grepLine{Path: path}, path)
	}
	if len(lines) == 0 {
		return c.Item(grepLine{Path: path, Binary: true}, path+": binary data matches")
	}
	for i, l := range lines {
		if i > 0 && lines[i-1].Number+1 < l.Number && c.Has("C") && !c.JSON() {
			if err := c.Item(nil, "--"); err != nil {
				return err
			}
		}
		mark := "-"
		if l.Match {
			mark = ":"
		}
		text := fmt.Sprintf("%s%s%d%s%s", c.Paint(StyleName, path), mark, l.Number, mark, c.highlight(l))
		if err := c.Item(grepLine{Path: path, Line: l.Number, Text: l.Text, Around: !l.Match}, text); err != nil {
			return err
		}
	}
	return nil
}

// highlight paints where the pattern was found.
func (c *Call) highlight(l subtree.Line) string {
	var b strings.Builder
	at := 0
	for _, s := range l.Spans {
		if s[0] < s[1] {
			b.WriteString(render.Printable(l.Text[at:s[0]]) + c.Paint(StyleBad, render.Printable(l.Text[s[0]:s[1]])))
			at = s[1]
		}
	}
	return b.String() + render.Printable(l.Text[at:])
}
