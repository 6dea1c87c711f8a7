// A server in Go as people write them: net/http, a goroutine for each connection, timeouts, JSON, an orderly end on SIGTERM.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var asked int64

func hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintf(w, "Go serves, request %d.\n", atomic.AddInt64(&asked, 1))
}

// digest answers with the SHA-256 of what is sent.
func digest(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	if _, err := io.Copy(hash, http.MaxBytesReader(w, r.Body, 16<<20)); err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	fmt.Fprintln(w, hex.EncodeToString(hash.Sum(nil)))
}

// workers lets many goroutines wait for each other and for the clock.
func workers(w http.ResponseWriter, _ *http.Request) {
	var all sync.WaitGroup
	var sum int64
	for i := int64(1); i <= 1000; i++ {
		all.Add(1)
		go func(i int64) {
			defer all.Done()
			time.Sleep(time.Duration(i%10) * time.Millisecond)
			atomic.AddInt64(&sum, i)
		}(i)
	}
	all.Wait()
	runtime.GC()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int64{"sum": sum})
}

func trouble(http.ResponseWriter, *http.Request) {
	panic("a handler in trouble")
}

func main() {
	listen := flag.String("listen", ":80", "address and port")
	site := flag.String("site", "/srv/www", "folder with files")
	flag.Parse()
	mux := http.NewServeMux()
	mux.HandleFunc("/", hello)
	mux.HandleFunc("/digest", digest)
	mux.HandleFunc("/workers", workers)
	mux.HandleFunc("/trouble", trouble)
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(*site))))
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	told := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(told, syscall.SIGTERM)
	go func() {
		<-told
		log.Print("told to end")
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(limit)
		close(done)
	}()
	log.Printf("serving on %s with %s", *listen, runtime.Version())
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-done
}
