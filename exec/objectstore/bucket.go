package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A bucket is a store in S3 or in what speaks its protocol. Its URL is that of Nix: the settings endpoint, region, scheme
// and profile. Credentials are found as AWS's programs find them: in the environment, in ~/.aws/credentials, or from the
// machine's role.
type bucket struct {
	name   string
	prefix string // of keys, with a slash at its end; "" for none
	text   string
	core   *minio.Core
}

func newBucket(u *url.URL) (*bucket, error) {
	if u.Host == "" || u.User != nil {
		return nil, ErrNoURL
	}
	set := u.Query()
	secure := true
	switch set.Get("scheme") {
	case "", "https":
	case "http":
		secure = false
	default:
		return nil, fmt.Errorf("scheme %q: want http or https", set.Get("scheme"))
	}
	endpoint := cmp.Or(set.Get("endpoint"), "s3.amazonaws.com")
	if rest, ok := strings.CutPrefix(endpoint, "http://"); ok {
		endpoint, secure = rest, false
	}
	endpoint = strings.TrimPrefix(endpoint, "https://")
	client, err := minio.New(endpoint, &minio.Options{
		Secure:     secure,
		MaxRetries: 3,
		Region:     cmp.Or(set.Get("region"), "us-east-1"), // else it is asked for before each request
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{},
			&credentials.FileAWSCredentials{Profile: set.Get("profile")},
			&credentials.IAM{},
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %v", endpoint, err)
	}
	b := &bucket{name: u.Host, core: &minio.Core{Client: client}, text: "s3://" + u.Host + u.Path}
	if dir := strings.Trim(u.Path, "/"); dir != "" {
		b.prefix = dir + "/"
	}
	return b, nil
}

func (b *bucket) String() string { return b.text }

func (b *bucket) Get(ctx context.Context, key, etag string) (*Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	o := minio.GetObjectOptions{}
	if tag := strings.Trim(etag, `"`); tag != "" {
		if err := o.SetMatchETagExcept(tag); err != nil {
			return nil, err
		}
	}
	body, info, _, err := b.core.GetObject(ctx, b.name, b.prefix+key, o)
	if err != nil {
		return nil, explain(err)
	}
	return &Object{Body: body, Size: info.Size, ETag: info.ETag}, nil
}

func (b *bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) error {
	if err := checkKey(key); err != nil {
		return err
	}
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: false}
	switch {
	case c.Absent:
		o.SetMatchETagExcept("*")
	case c.Match != "":
		o.SetMatchETag(strings.Trim(c.Match, `"`))
	}
	_, err := b.core.PutObject(ctx, b.name, b.prefix+key, body, size, "", "", o)
	return explain(err)
}

// explain makes the errors of S3 those of this package.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	switch {
	case answer.StatusCode == http.StatusNotModified:
		return ErrNotModified
	case answer.Code == minio.NoSuchKey || answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket:
		return ErrNotFound
	case answer.StatusCode == http.StatusPreconditionFailed || answer.StatusCode == http.StatusConflict:
		return ErrConflict
	}
	return fmt.Errorf("%s (%s)", cmp.Or(answer.Message, http.StatusText(answer.StatusCode)), answer.Code)
}
