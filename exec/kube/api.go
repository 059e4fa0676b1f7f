package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"

	"muster/exec/backoff"
)

// codecs read and write the few kinds of objects that are used here. The client set of
// Kubernetes registers all kinds when a program starts.
var codecs = sync.OnceValue(func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, coordinationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the kinds are compiled in
		}
	}
	return serializer.NewCodecFactory(scheme)
})

// apiName is a name that the certificate of every API server is for.
const apiName = "kubernetes.default.svc"

// An api is the API of a cluster, behind the masters.
type api struct {
	masters *masters
	client  *http.Client
	config  rest.Config
	core    *rest.RESTClient
	apps    *rest.RESTClient
	leases  *rest.RESTClient
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
	a.config = rest.Config{Host: "https://" + apiName, QPS: -1, UserAgent: fieldManager}
	for _, g := range []struct {
		client *(*rest.RESTClient)
		gv     schema.GroupVersion
	}{{&a.core, corev1.SchemeGroupVersion}, {&a.apps, appsv1.SchemeGroupVersion}, {&a.leases, coordinationv1.SchemeGroupVersion}} {
		config := a.config
		config.GroupVersion, config.NegotiatedSerializer = &g.gv, codecs().WithoutConversion()
		if config.APIPath = "/apis"; g.gv.Group == "" {
			config.APIPath = "/api"
		}
		if *g.client, err = rest.RESTClientForConfigAndClient(&config, a.client); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

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
	return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusForbidden && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

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
		body, err := a.core.Get().AbsPath("/version").MaxRetries(0).DoRaw(ctx)
		if err != nil {
			return err
		}
		var said struct {
			GitVersion string `json:"gitVersion"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
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
