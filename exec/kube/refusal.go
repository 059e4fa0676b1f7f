package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A refusal is what the API says where it does not do what it was asked: the object Status
// of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
type refusal struct {
	Code    int    `json:"code"` // of HTTP
	Message string `json:"message"`
	Details struct {
		Causes []refusalCause `json:"causes"`
	} `json:"details"`
}

// A refusalCause is one reason of a refusal.
type refusalCause struct {
	Type    string `json:"reason"`
	Message string `json:"message"`
}

const (
	disruptionBudget     = "DisruptionBudget"     // forbids an eviction for now
	namespaceTerminating = "NamespaceTerminating" // nothing is made in a namespace that is being deleted
)

func (r *refusal) Error() string { return r.Message }

// cause is the cause of a type; nil where the refusal has none.
func (r *refusal) cause(kind string) *refusalCause {
	for i, c := range r.Details.Causes {
		if c.Type == kind {
			return &r.Details.Causes[i]
		}
	}
	return nil
}

// refused reads a refusal from the answer to a request. What stands between muster and the
// API, such as a balancer, answers in its own way.
func refused(request *http.Request, answer *http.Response, text []byte) error {
	r := &refusal{}
	if json.Unmarshal(text, r) != nil || r.Message == "" {
		said := strings.TrimSpace(string(text[:min(len(text), 300)]))
		*r = refusal{Message: strings.TrimSuffix(fmt.Sprintf("%s %s: %s: %s", request.Method, request.URL.Path, answer.Status, said), ": ")}
	}
	r.Code = answer.StatusCode
	return r
}

// isRefused reports whether an error is a refusal with a status of HTTP.
func isRefused(err error, code int) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.Code == code
}

// hasCause reports whether an error is a refusal with a cause of a type.
func hasCause(err error, kind string) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.cause(kind) != nil
}
