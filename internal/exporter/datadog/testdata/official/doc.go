// Package official tests the requests in .. against the types of Datadog's own client.
package official
