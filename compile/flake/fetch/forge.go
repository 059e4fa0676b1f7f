package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"

	"muster/compile/flake"
)

// A forge is a kind of server that makes archives of git revisions.
type forge struct {
	host   string                                                  // if the input names none
	token  func(token string) (header, value string)               // how a token is sent
	newest func(host, owner, repo, ref string) string              // the URL that says what revision a ref is at
	read   func(text []byte) (rev string, err error)               // reads that
	tar    func(host, owner, repo, rev string, signed bool) string // the URL of an archive; signed: with a token
}

var forges = map[string]forge{
	"github": {
		host:  "github.com",
		token: func(token string) (string, string) { return "Authorization", "token " + token },
		newest: func(host, owner, repo, ref string) string {
			return githubAPI(host) + "/repos/" + owner + "/" + repo + "/commits/" + url.PathEscape(ref)
		},
		read: readGithub,
		tar: func(host, owner, repo, rev string, signed bool) string {
			if host == "github.com" && !signed {
				return "https://github.com/" + owner + "/" + repo + "/archive/" + rev + ".tar.gz" // no limit of requests
			}
			return githubAPI(host) + "/repos/" + owner + "/" + repo + "/tarball/" + rev
		},
	},
	"gitlab": {
		host:  "gitlab.com",
		token: gitlabToken,
		newest: func(host, owner, repo, ref string) string {
			return gitlabAPI(host, owner, repo) + "/repository/commits?ref_name=" + url.QueryEscape(ref)
		},
		read: readGitlab,
		tar: func(host, owner, repo, rev string, _ bool) string {
			return gitlabAPI(host, owner, repo) + "/repository/archive.tar.gz?sha=" + rev
		},
	},
	"sourcehut": {
		host:  "git.sr.ht",
		token: func(token string) (string, string) { return "Authorization", "Bearer " + token },
		tar: func(host, owner, repo, rev string, _ bool) string {
			return "https://" + host + "/" + owner + "/" + repo + "/archive/" + rev + ".tar.gz"
		},
	},
}

func githubAPI(host string) string {
	if host == "github.com" {
		return "https://api.github.com"
	}
	return "https://" + host + "/api/v3"
}

func gitlabAPI(host, owner, repo string) string {
	return "https://" + host + "/api/v4/projects/" + url.PathEscape(owner) + "%2F" + url.PathEscape(repo)
}

// gitlabToken reads OAuth2:TOKEN and PAT:TOKEN.
func gitlabToken(token string) (header, value string) {
	kind, value, _ := strings.Cut(token, ":")
	switch kind {
	case "OAuth2":
		return "Authorization", "Bearer " + value
	case "PAT":
		return "Private-Token", value
	}
	return kind, value
}

func readGithub(text []byte) (string, error) {
	var commit struct{ SHA string }
	err := json.Unmarshal(text, &commit)
	return commit.SHA, err
}

func readGitlab(text []byte) (string, error) {
	var commits []struct{ ID string }
	if err := json.Unmarshal(text, &commits); err != nil {
		return "", err
	}
	if len(commits) == 0 {
		return "", errors.New("it has no commits: does the ref really exist?")
	}
	return commits[0].ID, nil
}

// forge fetches an archive of a revision from github, gitlab or sourcehut.
func (f *Fetcher) forge(ctx context.Context, a flake.Attrs) (Tree, error) {
	kind := a.String("type")
	server := forges[kind]
	host := server.host
	if a.Has("host") {
		host = a.String("host")
	}
	owner, repo := a.String("owner"), a.String("repo")
	a = maps.Clone(a)
	var err error
	headers := map[string]string{}
	if token := f.token(host, owner, repo); token != "" {
		name, value := server.token(token)
		headers[name] = value
	}
	if !a.Has("rev") {
		ref := a.String("ref")
		if ref == "" {
			ref = "HEAD"
		}
		if a["rev"], err = f.newest(ctx, server, host, owner, repo, ref, headers); err != nil {
			return Tree{}, err
		}
	}
	delete(a, "ref")
	key := keyOf(kind, host, owner, repo, a.String("rev"))
	t, _, _, known := f.recall(key)
	if !known {
		unlock, err := f.lock(key)
		if err != nil {
			return Tree{}, err
		}
		defer unlock()
		r := request{url: server.tar(host, url.PathEscape(owner), url.PathEscape(repo), a.String("rev"), len(headers) > 0), headers: headers}
		t, _, err = f.archive(ctx, r, a.Name(), a.NARHash(), func(*response) (flake.Attrs, error) { return flake.Attrs{}, nil })
		if err != nil {
			return Tree{}, err
		}
		f.remember(key, t, "")
	}
	for _, name := range []string{"narHash", "lastModified"} {
		if v, ok := t.Locked[name]; ok {
			a[name] = v
		}
	}
	t.Locked = a
	return t, nil
}

// token returns the access token for a repository: that of the longest prefix of host/owner/repo.
func (f *Fetcher) token(host, owner, repo string) string {
	for _, name := range []string{host + "/" + owner + "/" + repo, host + "/" + owner, host} {
		if token := f.Tokens[name]; token != "" {
			return token
		}
	}
	return ""
}

// maxRefs bounds what a server says about refs.
const maxRefs = 64 << 20

// newest asks what revision a ref is at.
func (f *Fetcher) newest(ctx context.Context, server forge, host, owner, repo, ref string, headers map[string]string) (string, error) {
	if server.newest == nil {
		return f.newestOfRefs(ctx, "https://"+host+"/"+owner+"/"+repo, ref, headers)
	}
	text, err := f.text(ctx, server.newest(host, url.PathEscape(owner), url.PathEscape(repo), ref), headers)
	if err != nil {
		return "", err
	}
	rev, err := server.read(text)
	if err == nil && rev == "" {
		err = errors.New("it names no commit")
	}
	if err != nil {
		return "", fmt.Errorf("read what %s says about '%s': %v", host, ref, err)
	}
	return rev, nil
}

// newestOfRefs reads the refs of a repository as git's plain HTTP protocol has them.
func (f *Fetcher) newestOfRefs(ctx context.Context, base, ref string, headers map[string]string) (string, error) {
	names := []string{"refs/heads/" + ref, "refs/tags/" + ref}
	if ref == "HEAD" {
		text, err := f.text(ctx, base+"/HEAD", headers)
		if err != nil {
			return "", err
		}
		target, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: ")
		if !ok {
			return "", fmt.Errorf("couldn't resolve HEAD ref '%s'", ref)
		}
		names = []string{target}
	}
	text, err := f.text(ctx, base+"/info/refs", headers)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) == 2 && words[1] == name {
				return words[0], nil
			}
		}
	}
	return "", fmt.Errorf("couldn't find ref '%s'", ref)
}

// text downloads something short.
func (f *Fetcher) text(ctx context.Context, from string, headers map[string]string) ([]byte, error) {
	answer, err := f.download(ctx, request{url: from, headers: headers})
	if err != nil {
		return nil, err
	}
	defer answer.body.Close()
	var text bytes.Buffer
	_, err = io.Copy(&text, io.LimitReader(answer.body, maxRefs))
	return text.Bytes(), err
}
