@main struct Celltop { static func main() {} }
