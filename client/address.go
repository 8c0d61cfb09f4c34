package client

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// DefaultPort is used for a server without one.
const DefaultPort = "2181"

// parseServers reads a connect string: servers separated by commas, each
// host, host:port, [v6] or [v6]:port, and after the last an optional chroot
// (ConnectStringParser). The chroot is "" or begins with a slash.
func parseServers(s string) (servers []string, chroot string, err error) {
	hosts := s
	if at := strings.IndexByte(s, '/'); at >= 0 {
		hosts, chroot = s[:at], s[at:]
		if why := proto.ValidatePath(chroot); why != "" {
			return nil, "", fmt.Errorf("zookeeper: chroot %s in %q: %s", chroot, s, why)
		}
		if chroot == "/" {
			chroot = ""
		}
	}
	for h := range strings.SplitSeq(hosts, ",") {
		h = strings.TrimSpace(h)
		if h == "" {
			continue
		}
		addr, err := serverAddress(h)
		if err != nil {
			return nil, "", err
		}
		servers = append(servers, addr)
	}
	if len(servers) == 0 {
		return nil, "", fmt.Errorf("zookeeper: no server in %q: want host:port,host:port/chroot", s)
	}
	return servers, chroot, nil
}

func serverAddress(h string) (string, error) {
	host, port := h, DefaultPort
	switch {
	case strings.HasPrefix(h, "[") && strings.HasSuffix(h, "]"):
		host = h[1 : len(h)-1]
	case strings.Count(h, ":") > 1 && !strings.HasPrefix(h, "["): // IPv6 as it is
	case strings.Contains(h, ":"):
		var err error
		if host, port, err = net.SplitHostPort(h); err != nil {
			return "", fmt.Errorf("zookeeper: server %q: %w", h, err)
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return "", fmt.Errorf("zookeeper: server %q: want host:port with a port from 1 to 65535", h)
	}
	return net.JoinHostPort(host, port), nil
}

// join puts a chroot before a path.
func join(root, path string) string {
	if root == "" {
		return path
	}
	if path == "/" {
		return root
	}
	return root + path
}

// strip cuts a chroot off a path from the server. A path outside of it stays
// as it is.
func strip(root, path string) string {
	rest, ok := strings.CutPrefix(path, root)
	switch {
	case root == "" || !ok:
		return path
	case rest == "":
		return "/"
	case rest[0] != '/': // a sibling whose name is longer
		return path
	}
	return rest
}

// within tells whether path is root or below it.
func within(root, path string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
