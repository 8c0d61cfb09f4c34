package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/admin"
	"quokka/internal/core/quorum"
	"quokka/internal/render"
)

// ensembleCommands are about the servers.
func ensembleCommands() []*Command {
	return []*Command{configCommand, reconfigCommand, syncCommand, versionCommand}
}

// configNode is where the configuration is, whatever the chroot.
const configNode = "/zookeeper/config"

var configCommand = &Command{
	Name: "config", Group: GroupEnsemble, Usage: "[-c] [-w] [-s]", Summary: "Print the configuration of the ensemble.",
	Flags: []Flag{{Name: "c", Doc: "only the version and the addresses for clients, as one line"}, watchFlag, statFlag},
	Run:   runConfig,
}

// A configAnswer is a configuration as JSON.
type configAnswer struct {
	Version string            `json:"version"` // hexadecimal
	Servers map[string]string `json:"servers"` // by "server.N"
	Clients []string          `json:"clients"`
	Stat    render.Stat       `json:"stat"`
}

func runConfig(c *Call) error {
	data, stat, err := c.config()
	if err != nil {
		return err
	}
	if data == nil {
		data = []byte("null")
	}
	answer, err := readConfig(data, stat)
	if err != nil && (c.Has("c") || c.JSON()) {
		return err
	}
	return c.Result(answer, func(w io.Writer) error {
		text := render.Text(data)
		if c.Has("c") {
			text = answer.Version + " " + strings.Join(answer.Clients, ",")
		}
		if _, err := fmt.Fprintln(w, c.Shown(text)); err != nil || !c.Has("s") {
			return err
		}
		return c.statText(w, &answer.Stat)
	})
}

func (c *Call) config() ([]byte, client.Stat, error) {
	if !c.Has("w") {
		return c.Client.GetConfig(c.Context)
	}
	data, stat, w, err := c.Client.GetConfigW(c.Context)
	c.watched(configNode, kindData, w)
	return data, stat, err
}

// readConfig reads the text of a configuration. Servers that do not say where
// their clients come leave an empty place in the list (ConfigUtils).
func readConfig(data []byte, stat client.Stat) (configAnswer, error) {
	a := configAnswer{Servers: make(map[string]string), Stat: StatOf(stat)}
	m, err := quorum.ParseMembership(string(data), true)
	if err != nil {
		return a, err
	}
	a.Version = strconv.FormatUint(m.Version, 16)
	for _, s := range m.Servers {
		a.Servers["server."+strconv.FormatInt(int64(s.ID), 10)] = s.String()
		at := ""
		if s.Client.IsSet() {
			at = s.Client.String()
		}
		a.Clients = append(a.Clients, at)
	}
	return a, nil
}

var reconfigCommand = &Command{
	Name: "reconfig", Group: GroupEnsemble, Summary: "Change who the servers of the ensemble are.",
	Usage: "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | " +
		"[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
	Details: "Either with -add and -remove, or with all members at once. It needs reconfigEnabled=true and the right to write to " + configNode + ".",
	Examples: []string{
		"reconfig -add server.4=zk4:2888:3888:participant;2181", "reconfig -remove 3,4", "reconfig -file members.cfg",
	},
	Flags: []Flag{
		{Name: "s", Doc: "also the Stat of the configuration"}, {Name: "v", Value: "version", Doc: "only if the configuration has this version, hexadecimal"},
		{Name: "file", Value: "path", Doc: "the members, as lines server.N=…"}, {Name: "members", Value: "list", Doc: "the members, separated by commas"},
		{Name: "add", Value: "list", Doc: "who joins"}, {Name: "remove", Value: "ids", Doc: "who leaves"},
	},
	Run: runReconfig,
}

func runReconfig(c *Call) error {
	change, err := c.reconfig()
	if err != nil {
		return err
	}
	data, stat, err := c.Client.Reconfig(c.Context, change)
	var e *client.Error
	if errors.As(err, &e) {
		return &client.Error{Op: e.Op, Code: e.Code, Err: e.Err, Sent: e.Sent} // zkCli.sh names no path here
	}
	if err != nil {
		return err
	}
	answer, err := readConfig(data, stat)
	if err != nil && c.JSON() {
		return err
	}
	return c.Result(answer, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "Committed new configuration:\n%s\n", c.Shown(string(data))); err != nil || !c.Has("s") {
			return err
		}
		return c.statText(w, &answer.Stat)
	})
}

// reconfig reads what is to be changed.
func (c *Call) reconfig() (client.Reconfig, error) {
	change := client.Reconfig{Version: -1}
	whole, partly := c.Has("file") || c.Has("members"), c.Has("add") || c.Has("remove")
	if !whole && !partly {
		return change, &usageError{command: c.Command}
	}
	if c.Has("v") {
		var err error
		if change.Version, err = strconv.ParseInt(c.Value("v"), 16, 64); err != nil {
			return change, errors.New("-v must be followed by a long (configuration version)")
		}
	}
	switch {
	case whole && partly:
		return change, javaError("Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)")
	case c.Has("file") && c.Has("members"):
		return change, javaError("Can't use -file and -members together (conflicting non-incremental modes)")
	}
	list := func(flag string) []string { return strings.Split(strings.ToLower(c.Value(flag)), ",") }
	if c.Has("add") {
		change.Joining = list("add")
	}
	if c.Has("remove") {
		change.Leaving = list("remove")
	}
	if c.Has("members") {
		change.Members = list("members")
	}
	if c.Has("file") {
		var err error
		change.Members, err = readMembers(c.Value("file"))
		return change, err
	}
	return change, nil
}

// readMembers reads a file of server lines and whether they can be an
// ensemble; the leader looks again.
func readMembers(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("Error processing %s: %w", file, err)
	}
	m, err := quorum.ParseMembership(string(text), true)
	if err != nil {
		return nil, fmt.Errorf("Error processing %s: %w", file, err)
	}
	if len(m.Participants()) == 0 {
		return nil, fmt.Errorf("Error processing %s: it names no server that votes", file)
	}
	var lines []string
	for _, l := range m.Lines() {
		lines = append(lines, l.Key+"="+l.Value)
	}
	return lines, nil
}

var syncCommand = &Command{
	Name: "sync", Group: GroupEnsemble, Usage: "path", Summary: "Let the server catch up with all writes that were answered before.",
	Args: []Arg{ArgPath}, Min: 1,
	Run: runSync,
}

// syncTimeout is that of zkCli.sh (SyncCommand.SYNC_TIMEOUT).
const syncTimeout = 30 * time.Second

func runSync(c *Call) error {
	path := c.Path(0)
	ctx, cancel := context.WithTimeout(c.Context, syncTimeout)
	defer cancel()
	err := c.Client.Sync(ctx, path)
	if code := codeOf(err); c.ZkCli() && code != 0 && code != client.ErrBadArguments {
		_, err := fmt.Fprintf(c.Out, "Sync has failed. rc=%d\n", code)
		return err
	}
	if err != nil {
		return err
	}
	return c.Result(pathAnswer{Path: path}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "Sync is OK")
		return err
	})
}

var versionCommand = &Command{
	Name: "version", Group: GroupEnsemble, Summary: "Print the version of this program.", Offline: true,
	Run: runVersion,
}

func runVersion(c *Call) error {
	if len(c.Args) > 0 {
		return &usageError{command: c.Command}
	}
	version := admin.ReadBuild().String()
	answer := struct {
		Version string `json:"version"`
	}{version}
	return c.Result(answer, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "ZooKeeper CLI version:", version)
		return err
	})
}
