package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"muster/exec/backoff"
)

// codecs read what the API says of errors.
var codecs = sync.OnceValue(func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme)
})

// apiName is a name that the certificate of every API server is for.
const apiName = "kubernetes.default.svc"

// An api is the API of a cluster, behind the masters.
type api struct {
	masters *masters
	client  *http.Client
	rest    *rest.RESTClient
}

// requestLimit is the limit for one request.
const requestLimit = 10 * time.Second

// newAPI makes the API of a cluster that is at an address as each master sees it.
func newAPI(m *masters, addr string, c *Credentials) (*api, error) {
	pair, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("the administrator's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("the cluster's authority: no certificate")
	}
	a := &api{masters: m}
	a.client = &http.Client{
		Timeout: requestLimit,
		// HTTP/1.1: an idle connection to a master that went away is not used again.
		Transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return m.dial(ctx, addr) },
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: apiName, MinVersion: tls.VersionTLS12},
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{}, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		},
	}
	a.rest, err = rest.UnversionedRESTClientForConfigAndClient(&rest.Config{
		Host: "https://" + apiName, QPS: -1, UserAgent: fieldManager,
		ContentConfig: rest.ContentConfig{GroupVersion: &schema.GroupVersion{Version: "v1"}, NegotiatedSerializer: codecs().WithoutConversion()},
	}, a.client)
	return a, err
}

func (a *api) close() { a.client.CloseIdleConnections() }

// get reads an object or a list.
func (a *api) get(ctx context.Context, path string, into any) error {
	return answer(a.rest.Get().RequestURI(path).MaxRetries(0).Do(ctx), into)
}

// patch changes the fields of an object that a merge patch has.
func (a *api) patch(ctx context.Context, path string, patch any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return answer(a.rest.Patch(types.MergePatchType).AbsPath(path).Param("fieldManager", fieldManager).Body(body).MaxRetries(0).Do(ctx), nil)
}

// post makes an object.
func (a *api) post(ctx context.Context, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return answer(a.rest.Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body(body).MaxRetries(0).Do(ctx), nil)
}

// answer reads the answer to a request.
func answer(r rest.Result, into any) error {
	if err := r.Error(); err != nil || into == nil { // Raw leaves out what the API says of it
		return err
	}
	body, err := r.Raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// fieldManager is the name under which muster changes objects.
const fieldManager = "muster"

// retry makes a request until it gets an answer, or ctx ends: the API may be gone for a
// while, when a master is changed.
func (a *api) retry(ctx context.Context, request func(ctx context.Context) error) error {
	wait := backoff.Backoff{First: 100 * time.Millisecond, Max: 2 * time.Second, Jitter: true}
	for {
		err := request(ctx)
		if err == nil || !passes(err) {
			return err
		}
		a.client.CloseIdleConnections()
		a.masters.skip()
		if wait.Wait(ctx) != nil {
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		}
	}
}

// passes reports whether an error may be gone when the request is made again.
func passes(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true // no answer
	}
	code := status.Status().Code
	// An API server that has just begun forbids what it will allow: its rules are not there yet.
	return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusForbidden && !apierrors.HasStatusCause(err, namespaceTerminating)
}

// namespaceTerminating is why nothing is made in a namespace that is being deleted.
const namespaceTerminating metav1.CauseType = "NamespaceTerminating"

// A Version is that of a part of a cluster.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// ParseVersion reads a version such as v1.34.1+k3s1; false where it is none.
func ParseVersion(s string) (v Version, ok bool) {
	n, _ := fmt.Sscanf(s, "v%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	return v, n >= 2
}

// serverVersion is the version of an API server.
func (a *api) serverVersion(ctx context.Context) (v Version, err error) {
	err = a.retry(ctx, func(ctx context.Context) error {
		var said struct {
			GitVersion string `json:"gitVersion"`
		}
		if err := a.get(ctx, "/version", &said); err != nil {
			return err
		}
		var ok bool
		if v, ok = ParseVersion(said.GitVersion); !ok {
			return fmt.Errorf("the API server says that its version is %q", said.GitVersion)
		}
		return nil
	})
	return v, err
}
