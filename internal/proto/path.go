package proto

import (
	"strings"
	"unicode/utf8"
)

// ValidatePath tells why a path is not a znode's, or "" when it is valid
// (org.apache.zookeeper.common.PathUtils.validatePath). Java looks at UTF-16
// units, so a supplementary character counts as its surrogates and is
// refused.
func ValidatePath(path string) string {
	switch {
	case path == "":
		return "Path length must be > 0"
	case path[0] != '/':
		return "Path must start with / character"
	case len(path) == 1:
		return ""
	case path[len(path)-1] == '/':
		return "Path must not end with / character"
	}
	for i := 0; i < len(path); {
		c := path[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(path[i:])
			if !validRune(r, n) {
				return "invalid character in path"
			}
			i += n
			continue
		}
		if c < 0x20 || c == 0x7f {
			return "invalid character in path"
		}
		if c == '/' {
			if why := badComponent(path[i+1:]); why != "" {
				return why
			}
		}
		i++
	}
	return ""
}

// badComponent looks at the path component that rest begins with.
func badComponent(rest string) string {
	if end := strings.IndexByte(rest, '/'); end >= 0 {
		rest = rest[:end]
	}
	switch rest {
	case "":
		return "empty node name specified"
	case ".", "..":
		return "relative paths not allowed"
	}
	return ""
}

func validRune(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1: // not UTF-8; Java would see U+FFFD
		return false
	case r >= 0x7f && r <= 0x9f, r >= 0xd800 && r <= 0xf8ff, r >= 0xfff0:
		return false
	}
	return true
}

// ParentOf returns the path of a node's parent; of a child of the root it is
// "", as in Java's tree. The path must contain a slash.
func ParentOf(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}
