# The version is the one of CMakeLists.txt; whatever else names one must agree. To be sourced at the root of the sources.

rhm_version() {
    sed -nE 's/^project\(rhm VERSION ([0-9.]+).*/\1/p' CMakeLists.txt
}

rhm_versions_agree() {
    local version changelog debian
    version=$(rhm_version)
    changelog=$(sed -nE '0,/^## /s/^## ([0-9.]+).*/\1/p' CHANGELOG.md)
    debian=$(sed -nE '1s/^rhm \(([^)]+)\).*/\1/p' debian/changelog)
    if [ "$changelog" != "$version" ] || [ "$debian" != "$version" ]; then
        echo "release: CMakeLists.txt says $version, CHANGELOG.md $changelog, debian/changelog $debian: they must agree" >&2
        return 1
    fi
}
