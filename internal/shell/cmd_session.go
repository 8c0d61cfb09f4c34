package shell

import (
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"quokka/internal/render"
)

// sessionCommands are about the session and the shell itself.
func sessionCommands() []*Command {
	return []*Command{
		cdCommand, pwdCommand, connectCommand, closeCommand, historyCommand, redoCommand, helpCommand, quitCommand,
	}
}

var cdCommand = &Command{
	Name: "cd", Group: GroupSession, Usage: "[path]", Summary: "Change the current directory, which relative paths start from.",
	Details: "Without a path it goes to /, and cd - goes back to where it was before.",
	Foreign: true, Args: []Arg{ArgPath}, Max: 1,
	Run: runCd,
}

func runCd(c *Call) error {
	s, target := c.shell, c.Path(0)
	switch {
	case len(c.Args) == 0:
		target = "/"
	case c.Args[0] == "-":
		target = s.resolve(".")
		if s.before != "" {
			target = s.before
		}
	case s.opts.ZkCli && s.dir == "": // the first relative path is known to be one here
		target = path.Join("/", target)
	default:
		target = path.Clean(target)
	}
	_, ok, err := c.Client.Exists(c.Context, target)
	if err != nil {
		return err
	}
	if !ok {
		return noNode("cd", target)
	}
	s.before, s.dir = path.Join("/", s.dir), target
	return c.Done(pathAnswer{Path: target})
}

var pwdCommand = &Command{
	Name: "pwd", Group: GroupSession, Summary: "Print the current directory.", Foreign: true, Offline: true, Max: 0,
	Run: runPwd,
}

func runPwd(c *Call) error {
	dir := path.Join("/", c.shell.dir)
	return c.Result(pathAnswer{Path: dir}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, dir)
		return err
	})
}

var connectCommand = &Command{
	Name: "connect", Group: GroupSession, Usage: "host:port", Summary: "Start a new session, with other servers if they are named.",
	Offline: true,
	Run:     runConnect,
}

func runConnect(c *Call) error {
	s, servers := c.shell, c.shell.opts.Servers
	if len(c.Args) > 0 {
		servers = c.Args[0]
	}
	s.close(c.Context)
	if err := s.open(servers); err != nil {
		return err
	}
	s.dir, s.before = "", ""
	return c.Done(struct {
		Servers string `json:"servers"`
	}{servers})
}

var closeCommand = &Command{
	Name: "close", Group: GroupSession, Summary: "End the session; its ephemeral nodes go with it.",
	Run: runClose,
}

func runClose(c *Call) error {
	id := c.Client.Session().ID
	c.shell.close(c.Context)
	return c.Done(struct {
		Session render.Hex `json:"session"`
	}{render.Hex(id)})
}

var historyCommand = &Command{
	Name: "history", Group: GroupSession, Summary: "Print the last commands with their numbers.", Offline: true,
	Run: runHistory,
}

func runHistory(c *Call) error {
	type line struct {
		Number  int    `json:"number"`
		Command string `json:"command"`
	}
	last := []line{}
	for i := max(c.shell.count-10, 0); i < len(c.shell.lines); i++ {
		text := c.shell.lines[i]
		if secret(text) && !c.ZkCli() {
			text = addauthCommand.Name + " …"
		}
		last = append(last, line{i, text})
	}
	return c.Result(last, func(w io.Writer) error {
		for _, l := range last {
			if _, err := fmt.Fprintf(w, "%d - %s\n", l.Number, l.Command); err != nil {
				return err
			}
		}
		return nil
	})
}

var redoCommand = &Command{
	Name: "redo", Group: GroupSession, Usage: "cmdno", Summary: "Run a command of the history again.", Offline: true,
	Args: []Arg{ArgText}, Min: 1,
	Run: runRedo,
}

func runRedo(c *Call) error {
	s := c.shell
	i, err := strconv.ParseInt(c.Args[0], 0, 32)
	switch {
	case err != nil:
		return javaError(fmt.Sprintf("For input string: %q", c.Args[0]))
	case i < 0 || int(i) >= s.count:
		return javaError("Command index out of range")
	}
	line := s.lines[i]
	words := split(line)
	if words[0] == "redo" {
		return javaError("No redoing redos")
	}
	s.lines[s.count] = line
	if code := s.run(c.Context, words); code != exitOK {
		return exitError{code}
	}
	return nil
}

var helpCommand = &Command{
	Name: "help", Group: GroupSession, Usage: "[command]", Summary: "List the commands, or say all about one.", Foreign: true, Offline: true,
	Args: []Arg{ArgCommand}, Max: 1,
	Run: runHelp,
}

func runHelp(c *Call) error {
	if len(c.Args) == 0 {
		return c.Result(summaries(), WriteCommands)
	}
	cmd := find(c.Args[0])
	if cmd == nil {
		return exitError{c.shell.notFound(c.Args[0])}
	}
	return cmd.writeHelp(c.Out)
}

// A summary is a command in the list of all.
type summary struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	Usage   string   `json:"usage"`
	Summary string   `json:"summary"`
}

func summaries() []summary {
	var all []summary
	for _, c := range Commands() {
		all = append(all, summary{c.Name, c.Aliases, strings.TrimSpace(c.usage()), c.Summary})
	}
	return all
}

var quitCommand = &Command{
	Name: "quit", Aliases: []string{"exit"}, Group: GroupSession, Summary: "End the session and the shell.", Offline: true,
	Run: runQuit,
}

// runQuit leaves with the exit code of the command before it.
func runQuit(c *Call) error {
	c.shell.quit = true
	if c.shell.exit != exitOK {
		return exitError{c.shell.exit}
	}
	return nil
}
