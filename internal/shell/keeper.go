package shell

import (
	"errors"
	"fmt"
	"unicode/utf16"

	"quokka/client"
)

// keeperText is what KeeperException says for each code (getCodeMessage).
var keeperText = map[client.Code]string{
	client.ErrSystem: "SystemError", client.ErrConnectionLoss: "ConnectionLoss", client.ErrMarshalling: "MarshallingError",
	client.ErrUnimplemented: "Unimplemented", client.ErrOperationTimeout: "OperationTimeout",
	client.ErrBadArguments: "BadArguments", client.ErrNewConfigNoQuorum: "NewConfigNoQuorum",
	client.ErrReconfigInProgress: "ReconfigInProgress", client.ErrNoNode: "NoNode", client.ErrNoAuth: "NoAuth",
	client.ErrBadVersion: "BadVersion", client.ErrNoChildrenForEphemerals: "NoChildrenForEphemerals",
	client.ErrNodeExists: "NodeExists", client.ErrNotEmpty: "Directory not empty", client.ErrSessionExpired: "Session expired",
	client.ErrInvalidACL: "InvalidACL", client.ErrAuthFailed: "AuthFailed", client.ErrSessionMoved: "Session moved",
	client.ErrNotReadOnly: "Not a read-only call", client.ErrEphemeralOnLocalSession: "Ephemeral node on local session",
	client.ErrNoWatcher: "No such watcher", client.ErrReconfigDisabled: "Reconfig is disabled",
	client.ErrSASLRequired:  "Session closed because client failed to authenticate",
	client.ErrQuotaExceeded: "Quota has exceeded", client.ErrThrottled: "Op throttled due to high load",
	client.ErrClosed: "Session expired",
}

// cliText is what zkCli.sh says instead (CliWrapperException); the path
// follows.
var cliText = map[client.Code]string{
	client.ErrNoNode: "Node does not exist: ", client.ErrNoChildrenForEphemerals: "Ephemerals cannot have children: ",
	client.ErrNodeExists: "Node already exists: ", client.ErrNotEmpty: "Node not empty: ",
	client.ErrNotReadOnly: "Not a read-only call: ", client.ErrInvalidACL: "Acl is not valid : ",
	client.ErrNoAuth: "Insufficient permission : ", client.ErrBadArguments: "Arguments are not valid : ",
	client.ErrBadVersion: "version No is not valid : ", client.ErrQuotaExceeded: "Quota has exceeded : ",
}

const (
	reconfigInProgress = "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)"
	newConfigNoQuorum  = "No quorum of new config is connected and up-to-date with the leader of last committed config - " +
		"try invoking reconfiguration after new servers are connected and synced"
)

// javaText returns what zkCli.sh says about an error. Those that Java does
// not know are said in our own words.
func javaText(e *client.Error, code client.Code) string {
	if code == client.ErrBadArguments && e.Err != nil { // refused before it was sent: IllegalArgumentException
		return pathText(e.Path, e.Err.Error())
	}
	switch code {
	case client.ErrReconfigInProgress:
		return reconfigInProgress
	case client.ErrNewConfigNoQuorum:
		return newConfigNoQuorum
	}
	if text, ok := cliText[code]; ok {
		return text + e.Path
	}
	return keeperMessage(e, code)
}

// pathText says where a path is wrong, as PathUtils.validatePath does. Places
// are counted in UTF-16 units from 0.
func pathText(path, why string) string {
	var units []uint16
	if len(path) > 1 && path[0] == '/' && path[len(path)-1] != '/' {
		units = utf16.Encode([]rune(path))
	}
	for i, c := range units {
		end := i+1 == len(units) || units[i+1] == '/'
		reason := ""
		switch {
		case i == 0:
		case c == 0:
			reason = "null character not allowed"
		case c == '/' && units[i-1] == '/':
			reason = "empty node name specified"
		case c == '.' && end && (units[i-1] == '/' || units[i-1] == '.' && units[i-2] == '/'):
			reason = "relative paths not allowed"
		case c <= 0x1f || c >= 0x7f && c <= 0x9f || c >= 0xd800 && c <= 0xf8ff || c >= 0xfff0:
			reason = "invalid character"
		}
		if reason != "" {
			return fmt.Sprintf("Invalid path string \"%s\" caused by %s @%d", path, reason, i)
		}
	}
	return why
}

// keeperMessage returns KeeperException.getMessage.
func keeperMessage(e *client.Error, code client.Code) string {
	text, ok := keeperText[code]
	switch {
	case !ok:
		return e.Error()
	case e.Path == "":
		return "KeeperErrorCode = " + text
	}
	return "KeeperErrorCode = " + text + " for " + e.Path
}

// codeOf returns the code of an error, 0 if it has none.
func codeOf(err error) client.Code {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
