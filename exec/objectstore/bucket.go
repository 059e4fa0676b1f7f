package objectstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// newBucket returns a store in S3, or in what speaks its protocol: a server whose requests are signed. Its URL is that of
// Nix: the settings endpoint, region, scheme and profile. Credentials are found as AWS's programs find them: in the
// environment, in ~/.aws/credentials, or from the machine's role; where there are none, requests are not signed.
func newBucket(u *url.URL, o Options) (*server, error) {
	if u.Host == "" || u.User != nil {
		return nil, ErrNoURL
	}
	set := u.Query()
	region := cmp.Or(set.Get("region"), "us-east-1")
	base, err := bucketURL(u.Host, region, set)
	if err != nil {
		return nil, err
	}
	root := *base
	root.Path = strings.TrimSuffix(root.Path, "/") + "/"
	if dir := strings.Trim(u.Path, "/"); dir != "" {
		base = base.JoinPath(dir)
	}
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	s := &server{base: base, text: "s3://" + u.Host + u.Path, client: newClient(o), limit: o.Limit, refused: refusedByS3}
	s.list = func(ctx context.Context, found func(Entry)) error { return s.listBucket(ctx, &root, found) }
	s.sign = signS3(region, credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{Profile: set.Get("profile")},
		&credentials.IAM{},
	}))
	return s, nil
}

// bucketURL is where a bucket is reached. AWS and Google have a name for each bucket, others a path.
func bucketURL(bucket, region string, set url.Values) (*url.URL, error) {
	base := &url.URL{Scheme: cmp.Or(set.Get("scheme"), "https"), Path: "/"}
	if base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("scheme %q: want http or https", base.Scheme)
	}
	endpoint := cmp.Or(set.Get("endpoint"), "s3."+region+".amazonaws.com")
	if rest, ok := strings.CutPrefix(endpoint, "http://"); ok {
		base.Scheme, endpoint = "http", rest
	}
	base.Host = strings.TrimPrefix(endpoint, "https://")
	if at, err := url.Parse(base.Scheme + "://" + base.Host); err != nil || at.Host != base.Host || at.Hostname() == "" {
		return nil, fmt.Errorf("endpoint %q: want a host, with or without a port", endpoint)
	}
	if err := s3utils.CheckValidBucketName(bucket); err != nil {
		return nil, fmt.Errorf("bucket %q: %v", bucket, err)
	}
	if s3utils.IsVirtualHostSupported(*base, bucket) {
		base.Host = bucket + "." + base.Host
	} else {
		base.Path = "/" + bucket
	}
	return base, nil
}

// signS3 signs requests with Signature Version 4
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html), bodies too.
func signS3(region string, c *credentials.Credentials) func(*http.Request, io.ReadSeeker) (*http.Request, error) {
	return func(req *http.Request, body io.ReadSeeker) (*http.Request, error) {
		v, err := c.GetWithContext(&credentials.CredContext{Context: req.Context()})
		if err != nil {
			return nil, fmt.Errorf("find credentials for S3: %w", err)
		}
		if v.SignerType.IsAnonymous() {
			return req, nil
		}
		sum := sha256.New()
		if body != nil {
			if _, err := io.Copy(sum, body); err != nil {
				return nil, err
			}
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
		}
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum.Sum(nil)))
		req.URL.RawPath = s3utils.EncodePath(req.URL.Path) // as it is signed
		return signer.SignV4(*req, v.AccessKeyID, v.SecretAccessKey, v.SessionToken, region), nil
	}
}

// refusedByS3 makes an error of an answer of S3 that is not the object.
func refusedByS3(resp *http.Response) error {
	defer resp.Body.Close()
	var said struct {
		Code    string
		Message string
	}
	readable := xml.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) == nil
	switch {
	case resp.StatusCode == http.StatusNotModified:
		return ErrNotModified
	case resp.StatusCode == http.StatusNotFound && said.Code != "NoSuchBucket":
		return ErrNotFound
	case resp.StatusCode == http.StatusPreconditionFailed || resp.StatusCode == http.StatusConflict:
		return ErrConflict
	case !readable || said.Code == "":
		return troubled(resp, fmt.Errorf("it answers %s", resp.Status))
	}
	return troubled(resp, fmt.Errorf("%s (%s)", cmp.Or(said.Message, http.StatusText(resp.StatusCode)), said.Code))
}
