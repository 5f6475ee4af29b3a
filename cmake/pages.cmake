# Manual pages and completion of shells, which the command writes from its tables of options.
set(RHM_ZSH_DIRECTORY ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "Where completion for zsh is installed")
set(pages ${PROJECT_BINARY_DIR}/pages)
add_custom_command(OUTPUT ${pages}/written
  COMMAND ${CMAKE_COMMAND} -DRHM=$<TARGET_FILE:rhm_command> -DINTO=${pages} -P ${PROJECT_SOURCE_DIR}/cmake/write_pages.cmake
  DEPENDS rhm_command cmake/write_pages.cmake
  COMMENT "Writing manual pages and completion" VERBATIM)
add_custom_target(rhm_pages ALL DEPENDS ${pages}/written)

install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${pages}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME rhm)
install(FILES ${pages}/completion.zsh DESTINATION ${RHM_ZSH_DIRECTORY} RENAME _rhm)
install(FILES ${pages}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME rhm.fish)
