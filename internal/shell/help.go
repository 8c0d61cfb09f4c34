package shell

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// javaUsage writes the list of commands that zkCli.sh shows (ZooKeeperMain.usage).
func (s *Shell) javaUsage(w io.Writer) {
	var lines []string
	for _, c := range Commands() {
		if !c.Foreign {
			for _, name := range append([]string{c.Name}, c.Aliases...) {
				lines = append(lines, "\t"+name+" "+c.Usage+"\n")
			}
		}
	}
	slices.Sort(lines)
	fmt.Fprint(w, "ZooKeeper -server host:port -client-configuration properties-file cmd args\n", strings.Join(lines, ""))
}

// WriteCommands writes the list of commands by groups.
func WriteCommands(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i, g := range groups {
		if i > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s:\n", g)
		for _, c := range Commands() {
			if c.Group == g {
				fmt.Fprintf(t, "  %s\t%s\n", strings.Join(append([]string{c.Name}, c.Aliases...), ", "), c.Summary)
			}
		}
	}
	return t.Flush()
}

// writeHelp writes all there is to know about a command.
func (c *Command) writeHelp(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", strings.TrimSpace(c.usage()), c.Summary)
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso called %s.\n", strings.Join(c.Aliases, ", "))
	}
	if c.Details != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.Details))
	}
	fmt.Fprint(&b, "\nOptions:\n")
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, f := range c.all() {
		fmt.Fprintf(t, "  %s\t%s\n", f.spelling(), f.Doc)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(c.Examples) > 0 {
		fmt.Fprint(&b, "\nExamples:\n")
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "  %s\n", e)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// spelling returns how a flag is written.
func (f Flag) spelling() string {
	s := "-" + f.Name
	if len(f.Name) > 1 {
		s = "--" + f.Name
	}
	if f.Value != "" {
		s += " " + f.Value
	}
	return s
}
