package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"quokka/client"
	"quokka/internal/proto"
)

// hint says what may have been wrong, and what to do, in one line; "" if
// there is nothing to say. It may read from the server for a moment.
func hint(c *Call, e *client.Error, code client.Code) string {
	if code == client.ErrConnectionLoss {
		return connectionHint(c, e)
	}
	if c.Client == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), hintTimeout)
	defer cancel()
	switch code {
	case client.ErrNoNode:
		return noNodeHint(ctx, c.Client, e.Path)
	case client.ErrNoAuth:
		return noAuthHint(ctx, c.Client, e)
	case client.ErrBadVersion:
		return versionHint(ctx, c.Client, e)
	case client.ErrNotEmpty:
		return "deleteall deletes a node and everything below it"
	case client.ErrBadArguments:
		if e.Op == proto.OpReconfig.String() {
			return "an entry is server.N=host:quorumPort:electionPort;clientPort, those who leave are numbers, and two voters must stay; " +
				"the leader's log says more"
		}
	case client.ErrInvalidACL:
		return "an entry is scheme:id:perms with a scheme the server knows (world, auth, digest, ip); auth:: stands for what addauth has given"
	case client.ErrQuotaExceeded:
		return "a quota of this node or one above it is used up; listquota shows it"
	case client.ErrReconfigDisabled:
		return "set reconfigEnabled=true in the configuration of every server"
	case client.ErrNotReadOnly:
		return "this server has lost its quorum and only answers reads"
	}
	return ""
}

// connectionHint says why the last server could not be reached.
func connectionHint(c *Call, e *client.Error) string {
	var u *unreachable
	if !errors.As(context.Cause(c.Context), &u) {
		if e.Sent {
			return "the request was sent and may have been carried out: read before you repeat it"
		}
		return ""
	}
	why := u.err.Error()
	var dns *net.DNSError
	switch {
	case errors.As(u.err, &dns):
		return why + ": check the name in -server"
	case errors.Is(u.err, syscall.ECONNREFUSED):
		return why + ": is a server running there? Check host and port in -server"
	case errors.Is(u.err, io.EOF), errors.Is(u.err, syscall.ECONNRESET):
		return why + ": does the port want TLS (or none), or is the server without a quorum?"
	}
	return why
}

// noNodeHint names the deepest ancestor that exists.
func noNodeHint(ctx context.Context, cl *client.Client, path string) string {
	for p := proto.ParentOf(path); ; p = proto.ParentOf(p) {
		if p == "" {
			p = "/"
		}
		_, ok, err := cl.Exists(ctx, p)
		switch {
		case err != nil:
			return ""
		case ok:
			return "the deepest node that exists on this path is " + p
		case p == "/":
			return "not even / exists: the chroot of the connect string must be created first"
		}
	}
}

// noAuthHint names who the session is and who may do something.
func noAuthHint(ctx context.Context, cl *client.Client, e *client.Error) string {
	var parts []string
	if ids, err := cl.WhoAmI(ctx); err == nil {
		var names []string
		for _, id := range ids {
			names = append(names, id.Scheme+":"+id.User)
		}
		parts = append(parts, "this session is "+strings.Join(names, ", "))
	}
	path := e.Path
	if e.Op == proto.OpReconfig.String() {
		path = configNode
	} else if op := e.Op; op == proto.OpDelete.String() || strings.HasPrefix(op, "create") {
		if path = proto.ParentOf(path); path == "" {
			path = "/"
		}
	}
	if acl, _, err := cl.GetACL(ctx, path); err == nil {
		var entries []string
		for _, a := range acl {
			entries = append(entries, a.String())
		}
		parts = append(parts, fmt.Sprintf("the ACL of %s is %s", path, strings.Join(entries, ",")))
	}
	parts = append(parts, "addauth gives the session another identity")
	return strings.Join(parts, "; ")
}

// versionHint says which version the node has.
func versionHint(ctx context.Context, cl *client.Client, e *client.Error) string {
	s, ok, err := cl.Exists(ctx, e.Path)
	switch {
	case err != nil || !ok:
		return ""
	case e.Op == proto.OpSetACL.String():
		return fmt.Sprintf("the ACL of %s has version %d", e.Path, s.Aversion)
	}
	return fmt.Sprintf("%s has version %d", e.Path, s.Version)
}
